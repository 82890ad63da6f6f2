BEGIN TRANSACTION;
CREATE TABLE customers (
	order_id VARCHAR(64) NOT NULL, 
	customer_id VARCHAR(100) NOT NULL, 
	PRIMARY KEY (order_id)
);
INSERT INTO "customers" VALUES('orch-rejected','customer-of-orch-rejected');
INSERT INTO "customers" VALUES('orch-cancelled','customer-of-orch-cancelled');
INSERT INTO "customers" VALUES('orch-completed','customer-of-orch-completed');
INSERT INTO "customers" VALUES('orch-held','customer-of-orch-held');
INSERT INTO "customers" VALUES('orch-stuck','customer-of-orch-stuck');
INSERT INTO "customers" VALUES('orch-half-undone','customer-of-orch-half-undone');
INSERT INTO "customers" VALUES('orch-half-forward','customer-of-orch-half-forward');
INSERT INTO "customers" VALUES('chor-completed','customer-of-chor-completed');
INSERT INTO "customers" VALUES('chor-rejected','customer-of-chor-rejected');
INSERT INTO "customers" VALUES('chor-cancelled','customer-of-chor-cancelled');
INSERT INTO "customers" VALUES('chor-held','customer-of-chor-held');
INSERT INTO "customers" VALUES('chor-stuck','customer-of-chor-stuck');
INSERT INTO "customers" VALUES('chor-half-undone','customer-of-chor-half-undone');
INSERT INTO "customers" VALUES('chor-half-forward','customer-of-chor-half-forward');
CREATE TABLE inbox (
	event_id VARCHAR(200) NOT NULL, 
	correlation VARCHAR(64) NOT NULL, 
	type VARCHAR(50) NOT NULL, 
	data TEXT NOT NULL, 
	occurred_at BIGINT NOT NULL, 
	repeats INTEGER NOT NULL, 
	PRIMARY KEY (event_id)
);
INSERT INTO "inbox" VALUES('orch-rejected:create:OrderCreated','orch-rejected','OrderCreated','{}',1795603340240,0);
INSERT INTO "inbox" VALUES('orch-cancelled:create:OrderCreated','orch-cancelled','OrderCreated','{}',1795603340229,0);
INSERT INTO "inbox" VALUES('orch-completed:create:OrderCreated','orch-completed','OrderCreated','{}',1795603340225,0);
INSERT INTO "inbox" VALUES('orch-completed:ship:Shipped','orch-completed','Shipped','{}',1795603340532,0);
INSERT INTO "inbox" VALUES('orch-rejected:create:OrderRejected','orch-rejected','OrderRejected','{}',1795603340709,0);
INSERT INTO "inbox" VALUES('orch-stuck:create:OrderCreated','orch-stuck','OrderCreated','{}',1795603340716,0);
INSERT INTO "inbox" VALUES('orch-held:create:OrderCreated','orch-held','OrderCreated','{}',1795603340702,0);
INSERT INTO "inbox" VALUES('orch-cancelled:charge:PaymentRefunded','orch-cancelled','PaymentRefunded','{}',1795603340858,0);
INSERT INTO "inbox" VALUES('orch-held:screen:PossibleFraud','orch-held','PossibleFraud','{}',1795603340837,0);
INSERT INTO "inbox" VALUES('orch-cancelled:create:OrderCancelled','orch-cancelled','OrderCancelled','{}',1795603341008,0);
INSERT INTO "inbox" VALUES('orch-half-undone:create:OrderCreated','orch-half-undone','OrderCreated','{}',1795603341169,0);
INSERT INTO "inbox" VALUES('orch-stuck:create:OrderRejected','orch-stuck','OrderRejected','{}',1795603341207,0);
INSERT INTO "inbox" VALUES('orch-half-undone:charge:PaymentRefunded','orch-half-undone','PaymentRefunded','{}',1795603341364,0);
INSERT INTO "inbox" VALUES('orch-half-forward:create:OrderCreated','orch-half-forward','OrderCreated','{}',1795603341669,0);
INSERT INTO "inbox" VALUES('chor-completed:create:OrderCreated','chor-completed','OrderCreated','{}',1795603342076,0);
INSERT INTO "inbox" VALUES('chor-rejected:create:OrderCreated','chor-rejected','OrderCreated','{}',1795603342090,0);
INSERT INTO "inbox" VALUES('chor-cancelled:create:OrderCreated','chor-cancelled','OrderCreated','{}',1795603342104,0);
INSERT INTO "inbox" VALUES('chor-rejected:create:OrderRejected','chor-rejected','OrderRejected','{}',1795603342494,0);
INSERT INTO "inbox" VALUES('chor-completed:ship:Shipped','chor-completed','Shipped','{}',1795603342501,0);
INSERT INTO "inbox" VALUES('chor-cancelled:charge:PaymentRefunded','chor-cancelled','PaymentRefunded','{}',1795603342660,0);
INSERT INTO "inbox" VALUES('chor-cancelled:create:OrderCancelled','chor-cancelled','OrderCancelled','{}',1795603342719,0);
INSERT INTO "inbox" VALUES('chor-held:create:OrderCreated','chor-held','OrderCreated','{}',1795603342849,0);
INSERT INTO "inbox" VALUES('chor-stuck:create:OrderCreated','chor-stuck','OrderCreated','{}',1795603342815,0);
INSERT INTO "inbox" VALUES('chor-held:screen:PossibleFraud','chor-held','PossibleFraud','{}',1795603342945,0);
INSERT INTO "inbox" VALUES('chor-half-undone:create:OrderCreated','chor-half-undone','OrderCreated','{}',1795603343286,0);
INSERT INTO "inbox" VALUES('chor-half-undone:charge:PaymentRefunded','chor-half-undone','PaymentRefunded','{}',1795603343458,0);
INSERT INTO "inbox" VALUES('chor-half-forward:create:OrderCreated','chor-half-forward','OrderCreated','{}',1795603343764,0);
CREATE TABLE waiting (
	event_id VARCHAR(200) NOT NULL, 
	order_id VARCHAR(64) NOT NULL, 
	occurred_at BIGINT NOT NULL, 
	event TEXT NOT NULL, 
	PRIMARY KEY (event_id)
);
CREATE INDEX ix_waiting_order_id ON waiting (order_id);
CREATE INDEX ix_inbox_correlation ON inbox (correlation);
COMMIT;
