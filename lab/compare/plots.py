"""The pictures of a comparison, as small SVG files that are the same for the same figures."""

from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lab.compare.comparison import Comparison
from lab.compare.figures import Figures

_COLOURS = ("#0b6e99", "#d9730d")
_INCHES = (7.5, 3.6)

Draw = Callable[[Comparison, Figure], None]


def draw(comparison: Comparison, folder: Path) -> dict[str, str]:
    """Write the pictures; their file names, and what each shows."""
    pictures: dict[str, tuple[Draw, str]] = {
        "scorecard-latency.svg": (_latency, "Share of orders that had ended within a number of seconds"),
        "scorecard-rest.svg": (_rest, "Orders finished over time, with the worker's kills"),
        "scorecard-stock.svg": (_stock, "Share of failed orders whose stock was free again within a number of seconds"),
    }
    with rc_context({"svg.hashsalt": "order-saga", "svg.fonttype": "none"}):
        for name, (picture, _) in pictures.items():
            figure = Figure(figsize=_INCHES, layout="constrained")
            picture(comparison, figure)
            figure.savefig(folder / name, format="svg", metadata={"Date": None})
    return {name: shows for name, (_, shows) in pictures.items()}


def _latency(comparison: Comparison, figure: Figure) -> None:
    axes = figure.subplots()
    _shares(axes, comparison.styles, lambda one: one.series.latencies)
    axes.set_xlabel("seconds from placing to the end, of orders that no person held up")
    axes.set_ylabel("share of orders")


def _stock(comparison: Comparison, figure: Figure) -> None:
    axes = figure.subplots()
    _shares(axes, comparison.styles, lambda one: one.series.stock_held)
    axes.set_xlabel("seconds from StockReserved to StockReleased")
    axes.set_ylabel("share of failed orders")


def _rest(comparison: Comparison, figure: Figure) -> None:
    all_axes = figure.subplots(len(comparison.styles), 1, sharex=True, squeeze=False)
    for axes, one, colour in zip(all_axes[:, 0], comparison.styles, _COLOURS, strict=True):
        ends = one.series.finished
        axes.step([0, *ends], range(len(ends) + 1), where="post", color=colour, label=one.style)
        for number, kill in enumerate(one.kills):
            axes.axvline(kill.at, color="black", linewidth=0.7, linestyle=":", label="" if number else "worker killed")
        axes.set_ylim(0, one.orders * 1.03)
        axes.set_ylabel("finished orders")
        axes.legend(loc="upper left", fontsize="small")
    all_axes[-1, 0].set_xlabel("seconds since the first order was placed")


def _shares(axes: Axes, styles: Sequence[Figures], values: Callable[[Figures], list[float]]) -> None:
    for one, colour in zip(styles, _COLOURS, strict=True):
        given = values(one)
        shares = [number / len(given) for number in range(len(given) + 1)] if given else [0]
        axes.step([0, *given], shares, where="post", color=colour, label=one.style)
    axes.set_xlim(left=0)
    axes.set_ylim(0, 1.02)
    axes.legend(loc="lower right", fontsize="small")
