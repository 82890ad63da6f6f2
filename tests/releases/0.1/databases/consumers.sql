BEGIN TRANSACTION;
CREATE TABLE failures (
	consumer VARCHAR(100) NOT NULL, 
	event_id VARCHAR(200) NOT NULL, 
	position BIGINT NOT NULL, 
	partition INTEGER NOT NULL, 
	correlation VARCHAR(64) NOT NULL, 
	event TEXT NOT NULL, 
	state VARCHAR(10) NOT NULL, 
	attempts INTEGER NOT NULL, 
	error TEXT NOT NULL, 
	first_failed_at FLOAT NOT NULL, 
	PRIMARY KEY (consumer, event_id)
);
INSERT INTO "failures" VALUES('payments','chor-stuck:ship:ShippingFailed',76,3,'chor-stuck','{"specversion":"1.0","id":"chor-stuck:ship:ShippingFailed","source":"/shipping","type":"ShippingFailed","subject":"chor-stuck","time":"2026-11-25T10:42:23.165000Z","datacontenttype":"application/json","dataschema":"/docs/events/ShippingFailed.schema.json","correlationid":"chor-stuck","causationid":"chor-stuck:charge:PaymentProcessed","sequence":"00000000000000000007","traceparent":"00-6340d90b768794ad0cd9c1d53a1aa961-06ac63184475c6bd-01","style":"choreography","data":{"reason":"Undeliverable: no courier goes to AQ"}}','dead',1,'WillNotHelp: CannotUndo: payments.refund says no',1.79560334322977256781e+09);
INSERT INTO "failures" VALUES('inventory','chor-half-undone:ship:ShippingFailed',85,3,'chor-half-undone','{"specversion":"1.0","id":"chor-half-undone:ship:ShippingFailed","source":"/shipping","type":"ShippingFailed","subject":"chor-half-undone","time":"2026-11-25T10:42:23.415000Z","datacontenttype":"application/json","dataschema":"/docs/events/ShippingFailed.schema.json","correlationid":"chor-half-undone","causationid":"chor-half-undone:charge:PaymentProcessed","sequence":"00000000000000000008","traceparent":"00-7be5ce179b0da78cbfdd95961459cae0-aa8cd5393f843ea0-01","style":"choreography","data":{"reason":"Undeliverable: no courier goes to AQ"}}','retrying',6,'Outage: inventory.release is down',1.79560334345228528978e+09);
INSERT INTO "failures" VALUES('shipping','chor-half-forward:charge:PaymentProcessed',91,3,'chor-half-forward','{"specversion":"1.0","id":"chor-half-forward:charge:PaymentProcessed","source":"/payments","type":"PaymentProcessed","subject":"chor-half-forward","time":"2026-11-25T10:42:23.871000Z","datacontenttype":"application/json","dataschema":"/docs/events/PaymentProcessed.schema.json","correlationid":"chor-half-forward","causationid":"chor-half-forward:reserve:StockReserved","sequence":"00000000000000000017","traceparent":"00-4f336ce793132175a9d2854cf495aa8d-feb1b740c3b79bb8-01","style":"choreography","data":{"charge_id":"ch_a18a0faa197f63f99a3edffe","amount":{"amount":4850,"currency":"EUR"}}}','retrying',6,'Outage: shipping.ship is down',1795603343.91849);
CREATE TABLE positions (
	consumer VARCHAR(100) NOT NULL, 
	partition INTEGER NOT NULL, 
	position BIGINT NOT NULL, 
	PRIMARY KEY (consumer, partition)
);
INSERT INTO "positions" VALUES('orders',0,92);
INSERT INTO "positions" VALUES('orders',1,61);
INSERT INTO "positions" VALUES('fraud',0,92);
INSERT INTO "positions" VALUES('payments',1,61);
INSERT INTO "positions" VALUES('payments',0,92);
INSERT INTO "positions" VALUES('payments',2,32);
INSERT INTO "positions" VALUES('inventory',0,92);
INSERT INTO "positions" VALUES('orders',2,32);
INSERT INTO "positions" VALUES('shipping',1,61);
INSERT INTO "positions" VALUES('shipping',2,32);
INSERT INTO "positions" VALUES('shipping',3,90);
INSERT INTO "positions" VALUES('inventory',2,32);
INSERT INTO "positions" VALUES('payments',3,91);
INSERT INTO "positions" VALUES('notifications',2,32);
INSERT INTO "positions" VALUES('fraud',2,32);
INSERT INTO "positions" VALUES('notifications',0,75);
INSERT INTO "positions" VALUES('notifications',1,61);
INSERT INTO "positions" VALUES('inventory',3,84);
INSERT INTO "positions" VALUES('notifications',3,91);
INSERT INTO "positions" VALUES('analytics',0,75);
INSERT INTO "positions" VALUES('audit-log',1,61);
INSERT INTO "positions" VALUES('analytics',2,32);
INSERT INTO "positions" VALUES('analytics',3,91);
INSERT INTO "positions" VALUES('inventory',1,61);
INSERT INTO "positions" VALUES('audit-log',0,75);
INSERT INTO "positions" VALUES('analytics',1,61);
INSERT INTO "positions" VALUES('audit-log',2,32);
INSERT INTO "positions" VALUES('audit-log',3,91);
INSERT INTO "positions" VALUES('fraud',1,61);
INSERT INTO "positions" VALUES('orders',3,91);
INSERT INTO "positions" VALUES('shipping',0,92);
INSERT INTO "positions" VALUES('webhook-shop-watch',1,61);
INSERT INTO "positions" VALUES('webhook-shop-watch',3,91);
INSERT INTO "positions" VALUES('webhook-shop-watch',0,75);
INSERT INTO "positions" VALUES('fraud',3,91);
INSERT INTO "positions" VALUES('webhook-shop-watch',2,32);
COMMIT;
