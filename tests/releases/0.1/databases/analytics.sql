BEGIN TRANSACTION;
CREATE TABLE facts (
	event_id VARCHAR(200) NOT NULL, 
	position BIGINT NOT NULL, 
	order_id VARCHAR(64) NOT NULL, 
	style VARCHAR(20) NOT NULL, 
	type VARCHAR(50) NOT NULL, 
	occurred_at BIGINT NOT NULL, 
	had_effect BOOLEAN NOT NULL, 
	amount BIGINT, 
	currency VARCHAR(3), 
	refusal VARCHAR(100), 
	PRIMARY KEY (event_id)
);
INSERT INTO "facts" VALUES('orch-cancelled:create:OrderCreated',3,'orch-cancelled','orchestration','OrderCreated',1795603340229,1,4850,'EUR',NULL);
INSERT INTO "facts" VALUES('orch-rejected:create:OrderCreated',4,'orch-rejected','orchestration','OrderCreated',1795603340240,1,4850,'EUR',NULL);
INSERT INTO "facts" VALUES('orch-completed:create:OrderCreated',2,'orch-completed','orchestration','OrderCreated',1795603340225,1,4850,'EUR',NULL);
INSERT INTO "facts" VALUES('orch-completed:ship:Shipped',13,'orch-completed','orchestration','Shipped',1795603340532,1,NULL,NULL,NULL);
INSERT INTO "facts" VALUES('orch-completed:complete:OrderCompleted',15,'orch-completed','orchestration','OrderCompleted',1795603340599,1,4850,'EUR',NULL);
INSERT INTO "facts" VALUES('orch-cancelled:ship:ShipmentCancelled',16,'orch-cancelled','orchestration','ShipmentCancelled',1795603340712,0,NULL,NULL,NULL);
INSERT INTO "facts" VALUES('orch-rejected:create:OrderRejected',18,'orch-rejected','orchestration','OrderRejected',1795603340709,1,NULL,NULL,'PaymentDeclined');
INSERT INTO "facts" VALUES('orch-held:create:OrderCreated',17,'orch-held','orchestration','OrderCreated',1795603340702,1,129900,'EUR',NULL);
INSERT INTO "facts" VALUES('orch-stuck:create:OrderCreated',19,'orch-stuck','orchestration','OrderCreated',1795603340716,1,4850,'EUR',NULL);
INSERT INTO "facts" VALUES('orch-cancelled:charge:PaymentRefunded',21,'orch-cancelled','orchestration','PaymentRefunded',1795603340858,1,4850,'EUR',NULL);
INSERT INTO "facts" VALUES('orch-cancelled:create:OrderCancelled',27,'orch-cancelled','orchestration','OrderCancelled',1795603341008,1,NULL,NULL,NULL);
INSERT INTO "facts" VALUES('orch-half-undone:create:OrderCreated',30,'orch-half-undone','orchestration','OrderCreated',1795603341169,1,4850,'EUR',NULL);
INSERT INTO "facts" VALUES('orch-stuck:create:OrderRejected',32,'orch-stuck','orchestration','OrderRejected',1795603341207,1,NULL,NULL,'Undeliverable');
INSERT INTO "facts" VALUES('orch-half-undone:charge:PaymentRefunded',36,'orch-half-undone','orchestration','PaymentRefunded',1795603341364,1,4850,'EUR',NULL);
INSERT INTO "facts" VALUES('orch-half-forward:create:OrderCreated',39,'orch-half-forward','orchestration','OrderCreated',1795603341669,1,4850,'EUR',NULL);
INSERT INTO "facts" VALUES('chor-completed:create:OrderCreated',45,'chor-completed','choreography','OrderCreated',1795603342076,1,4850,'EUR',NULL);
INSERT INTO "facts" VALUES('chor-rejected:create:OrderCreated',46,'chor-rejected','choreography','OrderCreated',1795603342090,1,4850,'EUR',NULL);
INSERT INTO "facts" VALUES('chor-cancelled:create:OrderCreated',47,'chor-cancelled','choreography','OrderCreated',1795603342104,1,4850,'EUR',NULL);
INSERT INTO "facts" VALUES('chor-rejected:create:OrderRejected',59,'chor-rejected','choreography','OrderRejected',1795603342494,1,NULL,NULL,'PaymentDeclined');
INSERT INTO "facts" VALUES('chor-completed:ship:Shipped',60,'chor-completed','choreography','Shipped',1795603342501,1,NULL,NULL,NULL);
INSERT INTO "facts" VALUES('chor-cancelled:ship:ShipmentCancelled',62,'chor-cancelled','choreography','ShipmentCancelled',1795603342586,0,NULL,NULL,NULL);
INSERT INTO "facts" VALUES('chor-completed:complete:OrderCompleted',61,'chor-completed','choreography','OrderCompleted',1795603342576,1,4850,'EUR',NULL);
INSERT INTO "facts" VALUES('chor-cancelled:charge:PaymentRefunded',63,'chor-cancelled','choreography','PaymentRefunded',1795603342660,1,4850,'EUR',NULL);
INSERT INTO "facts" VALUES('chor-cancelled:create:OrderCancelled',65,'chor-cancelled','choreography','OrderCancelled',1795603342719,1,NULL,NULL,NULL);
INSERT INTO "facts" VALUES('chor-held:create:OrderCreated',69,'chor-held','choreography','OrderCreated',1795603342849,1,129900,'EUR',NULL);
INSERT INTO "facts" VALUES('chor-stuck:create:OrderCreated',68,'chor-stuck','choreography','OrderCreated',1795603342815,1,4850,'EUR',NULL);
INSERT INTO "facts" VALUES('chor-half-undone:create:OrderCreated',80,'chor-half-undone','choreography','OrderCreated',1795603343286,1,4850,'EUR',NULL);
INSERT INTO "facts" VALUES('chor-half-undone:charge:PaymentRefunded',86,'chor-half-undone','choreography','PaymentRefunded',1795603343458,1,4850,'EUR',NULL);
INSERT INTO "facts" VALUES('chor-half-forward:create:OrderCreated',88,'chor-half-forward','choreography','OrderCreated',1795603343764,1,4850,'EUR',NULL);
CREATE TABLE inbox (
	event_id VARCHAR(200) NOT NULL, 
	correlation VARCHAR(64) NOT NULL, 
	type VARCHAR(50) NOT NULL, 
	data TEXT NOT NULL, 
	occurred_at BIGINT NOT NULL, 
	repeats INTEGER NOT NULL, 
	PRIMARY KEY (event_id)
);
INSERT INTO "inbox" VALUES('orch-cancelled:create:OrderCreated','orch-cancelled','OrderCreated','{}',1795603340229,0);
INSERT INTO "inbox" VALUES('orch-rejected:create:OrderCreated','orch-rejected','OrderCreated','{}',1795603340240,0);
INSERT INTO "inbox" VALUES('orch-completed:create:OrderCreated','orch-completed','OrderCreated','{}',1795603340225,0);
INSERT INTO "inbox" VALUES('orch-completed:ship:Shipped','orch-completed','Shipped','{}',1795603340532,0);
INSERT INTO "inbox" VALUES('orch-completed:complete:OrderCompleted','orch-completed','OrderCompleted','{}',1795603340599,0);
INSERT INTO "inbox" VALUES('orch-cancelled:ship:ShipmentCancelled','orch-cancelled','ShipmentCancelled','{}',1795603340712,0);
INSERT INTO "inbox" VALUES('orch-rejected:create:OrderRejected','orch-rejected','OrderRejected','{}',1795603340709,0);
INSERT INTO "inbox" VALUES('orch-held:create:OrderCreated','orch-held','OrderCreated','{}',1795603340702,0);
INSERT INTO "inbox" VALUES('orch-stuck:create:OrderCreated','orch-stuck','OrderCreated','{}',1795603340716,0);
INSERT INTO "inbox" VALUES('orch-cancelled:charge:PaymentRefunded','orch-cancelled','PaymentRefunded','{}',1795603340858,0);
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
INSERT INTO "inbox" VALUES('chor-cancelled:ship:ShipmentCancelled','chor-cancelled','ShipmentCancelled','{}',1795603342586,0);
INSERT INTO "inbox" VALUES('chor-completed:complete:OrderCompleted','chor-completed','OrderCompleted','{}',1795603342576,0);
INSERT INTO "inbox" VALUES('chor-cancelled:charge:PaymentRefunded','chor-cancelled','PaymentRefunded','{}',1795603342660,0);
INSERT INTO "inbox" VALUES('chor-cancelled:create:OrderCancelled','chor-cancelled','OrderCancelled','{}',1795603342719,0);
INSERT INTO "inbox" VALUES('chor-held:create:OrderCreated','chor-held','OrderCreated','{}',1795603342849,0);
INSERT INTO "inbox" VALUES('chor-stuck:create:OrderCreated','chor-stuck','OrderCreated','{}',1795603342815,0);
INSERT INTO "inbox" VALUES('chor-half-undone:create:OrderCreated','chor-half-undone','OrderCreated','{}',1795603343286,0);
INSERT INTO "inbox" VALUES('chor-half-undone:charge:PaymentRefunded','chor-half-undone','PaymentRefunded','{}',1795603343458,0);
INSERT INTO "inbox" VALUES('chor-half-forward:create:OrderCreated','chor-half-forward','OrderCreated','{}',1795603343764,0);
CREATE INDEX ix_facts_position ON facts (position);
CREATE INDEX ix_facts_order_id ON facts (order_id);
CREATE INDEX ix_inbox_correlation ON inbox (correlation);
CREATE VIEW orders AS SELECT facts.order_id, min(facts.style) AS style, CASE WHEN (max(CASE WHEN (facts.type IN ('OrderCompleted') AND facts.had_effect = 1) THEN 1 ELSE 0 END) = 1) THEN 'completed' WHEN (max(CASE WHEN (facts.type IN ('OrderCancelled') AND facts.had_effect = 1) THEN 1 ELSE 0 END) = 1) THEN 'cancelled' WHEN (max(CASE WHEN (facts.type IN ('OrderRejected') AND facts.had_effect = 1) THEN 1 ELSE 0 END) = 1) THEN 'rejected' ELSE 'in-progress' END AS outcome, min(CASE WHEN (facts.type IN ('OrderRejected') AND facts.had_effect = 1) THEN facts.refusal END) AS refusal, min(CASE WHEN (facts.type IN ('OrderCreated', 'OrderCompleted') AND facts.had_effect = 1) THEN facts.amount END) AS total, min(CASE WHEN (facts.type IN ('OrderCreated', 'OrderCompleted') AND facts.had_effect = 1) THEN facts.currency END) AS currency, sum(CASE WHEN (facts.type IN ('PaymentRefunded') AND facts.had_effect = 1) THEN facts.amount ELSE 0 END) AS refunded, min(CASE WHEN (facts.type IN ('PaymentRefunded') AND facts.had_effect = 1) THEN facts.currency END) AS refund_currency, min(CASE WHEN (facts.type IN ('OrderCreated') AND facts.had_effect = 1) THEN facts.occurred_at END) AS placed_at, CASE WHEN (max(CASE WHEN (facts.type IN ('ShipmentCancelled') AND facts.had_effect = 1) THEN 1 ELSE 0 END) != 1) THEN min(CASE WHEN (facts.type IN ('Shipped') AND facts.had_effect = 1) THEN facts.occurred_at END) END AS shipped_at 
FROM facts GROUP BY facts.order_id;
COMMIT;
