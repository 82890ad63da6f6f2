BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0002');
CREATE TABLE inbox (
	event_id VARCHAR(200) NOT NULL, 
	correlation VARCHAR(64) NOT NULL, 
	type VARCHAR(50) NOT NULL, 
	data TEXT NOT NULL, 
	occurred_at BIGINT NOT NULL, 
	repeats INTEGER NOT NULL, 
	PRIMARY KEY (event_id)
);
INSERT INTO "inbox" VALUES('chor-completed:create:OrderCreated','chor-completed','OrderCreated','{"customer_id": "customer-of-chor-completed", "lines": [{"sku": "mug", "quantity": 2, "unit_price": {"amount": 1200, "currency": "EUR"}}, {"sku": "tea-sampler", "quantity": 1, "unit_price": {"amount": 2450, "currency": "EUR"}}], "total": {"amount": 4850, "currency": "EUR"}, "payment_token": "tok_visa", "ship_to": {"name": "A", "street": "1 Street", "postal_code": "10115", "city": "Berlin", "country": "DE"}}',1795603342076,0);
INSERT INTO "inbox" VALUES('chor-rejected:create:OrderCreated','chor-rejected','OrderCreated','{"customer_id": "customer-of-chor-rejected", "lines": [{"sku": "mug", "quantity": 2, "unit_price": {"amount": 1200, "currency": "EUR"}}, {"sku": "tea-sampler", "quantity": 1, "unit_price": {"amount": 2450, "currency": "EUR"}}], "total": {"amount": 4850, "currency": "EUR"}, "payment_token": "tok_chargeDeclined", "ship_to": {"name": "A", "street": "1 Street", "postal_code": "10115", "city": "Berlin", "country": "DE"}}',1795603342090,0);
INSERT INTO "inbox" VALUES('chor-cancelled:create:OrderCreated','chor-cancelled','OrderCreated','{"customer_id": "customer-of-chor-cancelled", "lines": [{"sku": "mug", "quantity": 2, "unit_price": {"amount": 1200, "currency": "EUR"}}, {"sku": "tea-sampler", "quantity": 1, "unit_price": {"amount": 2450, "currency": "EUR"}}], "total": {"amount": 4850, "currency": "EUR"}, "payment_token": "tok_visa", "ship_to": {"name": "A", "street": "1 Street", "postal_code": "10115", "city": "Berlin", "country": "DE"}}',1795603342104,0);
INSERT INTO "inbox" VALUES('chor-held:create:OrderCreated','chor-held','OrderCreated','{"customer_id": "customer-of-chor-held", "lines": [{"sku": "espresso-machine", "quantity": 1, "unit_price": {"amount": 129900, "currency": "EUR"}}], "total": {"amount": 129900, "currency": "EUR"}, "payment_token": "tok_visa", "ship_to": {"name": "A", "street": "1 Street", "postal_code": "10115", "city": "Berlin", "country": "DE"}}',1795603342849,0);
INSERT INTO "inbox" VALUES('chor-stuck:create:OrderCreated','chor-stuck','OrderCreated','{"customer_id": "customer-of-chor-stuck", "lines": [{"sku": "mug", "quantity": 2, "unit_price": {"amount": 1200, "currency": "EUR"}}, {"sku": "tea-sampler", "quantity": 1, "unit_price": {"amount": 2450, "currency": "EUR"}}], "total": {"amount": 4850, "currency": "EUR"}, "payment_token": "tok_visa", "ship_to": {"name": "A", "street": "1 Street", "postal_code": "1", "city": "Base", "country": "AQ"}}',1795603342815,0);
INSERT INTO "inbox" VALUES('chor-held:screen:PossibleFraud','chor-held','PossibleFraud','{"score": 50, "rules": ["large amount"]}',1795603342945,0);
INSERT INTO "inbox" VALUES('chor-half-undone:create:OrderCreated','chor-half-undone','OrderCreated','{"customer_id": "customer-of-chor-half-undone", "lines": [{"sku": "mug", "quantity": 2, "unit_price": {"amount": 1200, "currency": "EUR"}}, {"sku": "tea-sampler", "quantity": 1, "unit_price": {"amount": 2450, "currency": "EUR"}}], "total": {"amount": 4850, "currency": "EUR"}, "payment_token": "tok_visa", "ship_to": {"name": "A", "street": "1 Street", "postal_code": "1", "city": "Base", "country": "AQ"}}',1795603343286,0);
INSERT INTO "inbox" VALUES('chor-half-forward:create:OrderCreated','chor-half-forward','OrderCreated','{"customer_id": "customer-of-chor-half-forward", "lines": [{"sku": "mug", "quantity": 2, "unit_price": {"amount": 1200, "currency": "EUR"}}, {"sku": "tea-sampler", "quantity": 1, "unit_price": {"amount": 2450, "currency": "EUR"}}], "total": {"amount": 4850, "currency": "EUR"}, "payment_token": "tok_visa", "ship_to": {"name": "A", "street": "1 Street", "postal_code": "10115", "city": "Berlin", "country": "DE"}}',1795603343764,0);
CREATE TABLE operations (
	"key" VARCHAR(200) NOT NULL, 
	state VARCHAR(10) NOT NULL, 
	request VARCHAR(64) NOT NULL, 
	answer TEXT NOT NULL, 
	refusal VARCHAR(50) NOT NULL, 
	recorded_at BIGINT NOT NULL, repeats INTEGER DEFAULT '0' NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "operations" VALUES('orch-completed:screen','done','26d32840a05294645b4075f912739f8493d1dfec9e6b868edcb7befc4b601620','{"verdict":"clear","score":0,"rules":[]}','',1795603340270,0);
INSERT INTO "operations" VALUES('orch-cancelled:screen','done','ffaab026c4e3379fd81ebf6191b116447bb03c0844c1e8a2a1361e8d6b41add9','{"verdict":"clear","score":0,"rules":[]}','',1795603340280,0);
INSERT INTO "operations" VALUES('orch-rejected:screen','done','b54fab43e75747b12eb4ff1f5152289678d55f5670e7232d240cba3e44ff0535','{"verdict":"clear","score":0,"rules":[]}','',1795603340307,0);
INSERT INTO "operations" VALUES('orch-held:screen','done','643ee7729851a50e88cb91e04fde1432bfb062f7856ea40d1cf73df7cc7ab1fa','{"verdict":"possible","score":50,"rules":["large amount"]}','',1795603340837,0);
INSERT INTO "operations" VALUES('orch-stuck:screen','done','5ab8995d78130010b142555c71846eddf19225c6911c6a5d58d0e632fd8b99a1','{"verdict":"clear","score":0,"rules":[]}','',1795603340870,0);
INSERT INTO "operations" VALUES('orch-half-undone:screen','done','381728236925eb92b9af25915a63780d1a9b91afe1617276355b4f5d2bc24c3a','{"verdict":"clear","score":0,"rules":[]}','',1795603341234,0);
INSERT INTO "operations" VALUES('orch-half-forward:screen','done','f4920c3bbac180d3f2a0072b84bee2a02efdd5595697b53bbdd22cfd697105c6','{"verdict":"clear","score":0,"rules":[]}','',1795603341692,0);
INSERT INTO "operations" VALUES('chor-completed:screen','done','8a2a24a419d2d58242ccb4f9e8f2068e12c18ce78410ab10edacead6bd496ce6','{"verdict":"clear","score":0,"rules":[]}','',1795603342237,0);
INSERT INTO "operations" VALUES('chor-rejected:screen','done','333d1fafc06af9038026bb2ff3ee1f1e60a68afd35cce9cc2798773e1e88e679','{"verdict":"clear","score":0,"rules":[]}','',1795603342253,0);
INSERT INTO "operations" VALUES('chor-cancelled:screen','done','7a63556b3fca2068a591db3864612f7e533a429c9805c1a7a23a2b0cbb784140','{"verdict":"clear","score":0,"rules":[]}','',1795603342288,0);
INSERT INTO "operations" VALUES('chor-held:screen','done','5baf0bffd045f459d958a562aac0f349531fa34f9fef7d173e591c7c42efdcb0','{"verdict":"possible","score":50,"rules":["large amount"]}','',1795603342926,0);
INSERT INTO "operations" VALUES('chor-stuck:screen','done','392d25526e59cd9978d46c1575fc71a2d8dfb8e0ff7b07bd85c3f08fa74bbdbe','{"verdict":"clear","score":0,"rules":[]}','',1795603342965,0);
INSERT INTO "operations" VALUES('chor-half-undone:screen','done','05b76f4dbcf750b3d6ff4fe6b0438477c625e4c760979f5e258fc8e800fc8d59','{"verdict":"clear","score":0,"rules":[]}','',1795603343321,0);
INSERT INTO "operations" VALUES('chor-half-forward:screen','done','33c5e06de1b872c544ab9948ad132ab2cd1bd07092eab0cf2565e2761ce25e26','{"verdict":"clear","score":0,"rules":[]}','',1795603343831,0);
CREATE TABLE outbox (
	position INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	event_id VARCHAR(200) NOT NULL, 
	type VARCHAR(50) NOT NULL, 
	correlation VARCHAR(64) NOT NULL, 
	causation VARCHAR(200) NOT NULL, 
	style VARCHAR(20) NOT NULL, 
	data TEXT NOT NULL, 
	occurred_at BIGINT NOT NULL, 
	UNIQUE (event_id)
);
CREATE TABLE screenings (
	order_id VARCHAR(64) NOT NULL, 
	customer_id VARCHAR(100) NOT NULL, 
	country VARCHAR(2) NOT NULL, 
	score INTEGER NOT NULL, 
	rules TEXT NOT NULL, 
	verdict VARCHAR(20) NOT NULL, 
	decision VARCHAR(20) NOT NULL, 
	screened_at BIGINT NOT NULL, 
	PRIMARY KEY (order_id)
);
INSERT INTO "screenings" VALUES('orch-completed','customer-of-orch-completed','DE',0,'','clear','',1795603340269);
INSERT INTO "screenings" VALUES('orch-cancelled','customer-of-orch-cancelled','DE',0,'','clear','',1795603340280);
INSERT INTO "screenings" VALUES('orch-rejected','customer-of-orch-rejected','DE',0,'','clear','',1795603340307);
INSERT INTO "screenings" VALUES('orch-held','customer-of-orch-held','DE',50,'large amount','possible','',1795603340837);
INSERT INTO "screenings" VALUES('orch-stuck','customer-of-orch-stuck','AQ',0,'','clear','',1795603340870);
INSERT INTO "screenings" VALUES('orch-half-undone','customer-of-orch-half-undone','AQ',0,'','clear','',1795603341232);
INSERT INTO "screenings" VALUES('orch-half-forward','customer-of-orch-half-forward','DE',0,'','clear','',1795603341691);
INSERT INTO "screenings" VALUES('chor-completed','customer-of-chor-completed','DE',0,'','clear','',1795603342227);
INSERT INTO "screenings" VALUES('chor-rejected','customer-of-chor-rejected','DE',0,'','clear','',1795603342253);
INSERT INTO "screenings" VALUES('chor-cancelled','customer-of-chor-cancelled','DE',0,'','clear','',1795603342287);
INSERT INTO "screenings" VALUES('chor-held','customer-of-chor-held','DE',50,'large amount','possible','',1795603342925);
INSERT INTO "screenings" VALUES('chor-stuck','customer-of-chor-stuck','AQ',0,'','clear','',1795603342963);
INSERT INTO "screenings" VALUES('chor-half-undone','customer-of-chor-half-undone','AQ',0,'','clear','',1795603343321);
INSERT INTO "screenings" VALUES('chor-half-forward','customer-of-chor-half-forward','DE',0,'','clear','',1795603343829);
CREATE INDEX ix_screenings_velocity ON screenings (customer_id, screened_at);
CREATE INDEX ix_screenings_country ON screenings (customer_id, country);
CREATE INDEX ix_inbox_correlation ON inbox (correlation);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('outbox',14);
COMMIT;
