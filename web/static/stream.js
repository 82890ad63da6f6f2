// Follows an order's stream; goes on where it was when the connection, the page's process or the network was away.

const PAUSE = 1500;

export function follow(orderId, after, { event, order, reset, away }) {
  let last = after;
  let source;
  const open = () => {
    source = new EventSource(`/orders/${encodeURIComponent(orderId)}/events?after=${last}`);
    source.addEventListener("open", () => away?.(false));
    source.addEventListener("event", (message) => {
      last = Math.max(last, Number(message.lastEventId));
      event(JSON.parse(message.data));
    });
    source.addEventListener("order", (message) => order(JSON.parse(message.data)));
    source.addEventListener("reset", () => {
      last = 0;
      reset?.();
    });
    source.addEventListener("error", () => {
      away?.(true);
      // The browser tries a broken connection again by itself, but not an answer that is no stream.
      if (source.readyState === EventSource.CLOSED) setTimeout(open, PAUSE);
    });
  };
  open();
  addEventListener("online", () => {
    source.close();
    open();
  });
  addEventListener("pagehide", () => source.close());
}
