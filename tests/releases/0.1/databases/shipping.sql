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
INSERT INTO "inbox" VALUES('chor-completed:screen:NoFraudDetected','chor-completed','NoFraudDetected','{"score": 0, "reviewed": false, "note": ""}',1795603342241,0);
INSERT INTO "inbox" VALUES('chor-rejected:screen:NoFraudDetected','chor-rejected','NoFraudDetected','{"score": 0, "reviewed": false, "note": ""}',1795603342254,0);
INSERT INTO "inbox" VALUES('chor-cancelled:screen:NoFraudDetected','chor-cancelled','NoFraudDetected','{"score": 0, "reviewed": false, "note": ""}',1795603342299,0);
INSERT INTO "inbox" VALUES('chor-completed:charge:PaymentProcessed','chor-completed','PaymentProcessed','{"charge_id": "ch_d0eacc62115bbb44871bff1e", "amount": {"amount": 4850, "currency": "EUR"}}',1795603342339,0);
INSERT INTO "inbox" VALUES('chor-cancelled:e42ff96e8ab24e02b218a163f0985aa9','chor-cancelled','CancelRequested','{"reason": "changed my mind"}',1795603342501,0);
INSERT INTO "inbox" VALUES('chor-cancelled:charge:PaymentProcessed','chor-cancelled','PaymentProcessed','{"charge_id": "ch_49628c7d127deca59fb53e46", "amount": {"amount": 4850, "currency": "EUR"}}',1795603342443,0);
INSERT INTO "inbox" VALUES('chor-held:create:OrderCreated','chor-held','OrderCreated','{"customer_id": "customer-of-chor-held", "lines": [{"sku": "espresso-machine", "quantity": 1, "unit_price": {"amount": 129900, "currency": "EUR"}}], "total": {"amount": 129900, "currency": "EUR"}, "payment_token": "tok_visa", "ship_to": {"name": "A", "street": "1 Street", "postal_code": "10115", "city": "Berlin", "country": "DE"}}',1795603342849,0);
INSERT INTO "inbox" VALUES('chor-stuck:create:OrderCreated','chor-stuck','OrderCreated','{"customer_id": "customer-of-chor-stuck", "lines": [{"sku": "mug", "quantity": 2, "unit_price": {"amount": 1200, "currency": "EUR"}}, {"sku": "tea-sampler", "quantity": 1, "unit_price": {"amount": 2450, "currency": "EUR"}}], "total": {"amount": 4850, "currency": "EUR"}, "payment_token": "tok_visa", "ship_to": {"name": "A", "street": "1 Street", "postal_code": "1", "city": "Base", "country": "AQ"}}',1795603342815,0);
INSERT INTO "inbox" VALUES('chor-stuck:screen:NoFraudDetected','chor-stuck','NoFraudDetected','{"score": 0, "reviewed": false, "note": ""}',1795603342971,0);
INSERT INTO "inbox" VALUES('chor-held:charge:PaymentProcessed','chor-held','PaymentProcessed','{"charge_id": "ch_b1958ef8ac964b122471963f", "amount": {"amount": 129900, "currency": "EUR"}}',1795603343076,0);
INSERT INTO "inbox" VALUES('chor-stuck:charge:PaymentProcessed','chor-stuck','PaymentProcessed','{"charge_id": "ch_8c9bc79ee88a790a19af8b96", "amount": {"amount": 4850, "currency": "EUR"}}',1795603343063,0);
INSERT INTO "inbox" VALUES('chor-half-undone:create:OrderCreated','chor-half-undone','OrderCreated','{"customer_id": "customer-of-chor-half-undone", "lines": [{"sku": "mug", "quantity": 2, "unit_price": {"amount": 1200, "currency": "EUR"}}, {"sku": "tea-sampler", "quantity": 1, "unit_price": {"amount": 2450, "currency": "EUR"}}], "total": {"amount": 4850, "currency": "EUR"}, "payment_token": "tok_visa", "ship_to": {"name": "A", "street": "1 Street", "postal_code": "1", "city": "Base", "country": "AQ"}}',1795603343286,0);
INSERT INTO "inbox" VALUES('chor-half-undone:screen:NoFraudDetected','chor-half-undone','NoFraudDetected','{"score": 0, "reviewed": false, "note": ""}',1795603343322,0);
INSERT INTO "inbox" VALUES('chor-half-undone:charge:PaymentProcessed','chor-half-undone','PaymentProcessed','{"charge_id": "ch_add72bc80957fda3002a377c", "amount": {"amount": 4850, "currency": "EUR"}}',1795603343370,0);
INSERT INTO "inbox" VALUES('chor-half-forward:create:OrderCreated','chor-half-forward','OrderCreated','{"customer_id": "customer-of-chor-half-forward", "lines": [{"sku": "mug", "quantity": 2, "unit_price": {"amount": 1200, "currency": "EUR"}}, {"sku": "tea-sampler", "quantity": 1, "unit_price": {"amount": 2450, "currency": "EUR"}}], "total": {"amount": 4850, "currency": "EUR"}, "payment_token": "tok_visa", "ship_to": {"name": "A", "street": "1 Street", "postal_code": "10115", "city": "Berlin", "country": "DE"}}',1795603343764,0);
INSERT INTO "inbox" VALUES('chor-half-forward:screen:NoFraudDetected','chor-half-forward','NoFraudDetected','{"score": 0, "reviewed": false, "note": ""}',1795603343832,0);
CREATE TABLE operations (
	"key" VARCHAR(200) NOT NULL, 
	state VARCHAR(10) NOT NULL, 
	request VARCHAR(64) NOT NULL, 
	answer TEXT NOT NULL, 
	refusal VARCHAR(50) NOT NULL, 
	recorded_at BIGINT NOT NULL, repeats INTEGER DEFAULT '0' NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "operations" VALUES('orch-completed:ship','done','18858fa4bc2613b8ea0f33102db9a30a30677a7ce7f4464aca002400af025dfe','{"tracking_number":"TRK22E29082F58E"}','',1795603340532,0);
INSERT INTO "operations" VALUES('orch-cancelled:ship','undone','597ae2c8fccb1e621bdb30e5508754290f2fd5082e4473a2728721fe8bc4ab3c','{"had_effect":false}','',1795603340709,0);
INSERT INTO "operations" VALUES('orch-stuck:ship','refused','4f76271b0db85c46c47f6d29029a0f1bc8a5b3864b62b23157f57c23eac78916','no courier goes to AQ','Undeliverable',1795603341042,0);
INSERT INTO "operations" VALUES('orch-half-undone:ship','refused','9ab85ec3097cb835e26566578ff648d5f68647d3d4b7f774f4d8779f7627d7ff','no courier goes to AQ','Undeliverable',1795603341343,0);
INSERT INTO "operations" VALUES('chor-completed:ship','done','f9b36da327dc09ec1379fb275a3e1d1230aaa70ccaa602e5d5bb3068ecb8bcce','{"tracking_number":"TRK5C3B74BE1A6A"}','',1795603342494,0);
INSERT INTO "operations" VALUES('chor-cancelled:ship','undone','1278abb0c00388a9f5e885e085b7410c3da45b29c8f97de384fa283ad911cc25','{"had_effect":false}','',1795603342532,0);
INSERT INTO "operations" VALUES('chor-stuck:ship','refused','db275433a695e89b674be902dbc8dfb29444b946c58866ae4e00fdc212b41c11','no courier goes to AQ','Undeliverable',1795603343165,0);
INSERT INTO "operations" VALUES('chor-half-undone:ship','refused','37ef082ede964298b3e4fe69d1db7d030b1b63a2ef69c4c4674d196a1abb2faa','no courier goes to AQ','Undeliverable',1795603343411,0);
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
CREATE TABLE shipments (
	order_id VARCHAR(64) NOT NULL, 
	tracking_number VARCHAR(64) NOT NULL, 
	status VARCHAR(20) NOT NULL, 
	PRIMARY KEY (order_id)
);
INSERT INTO "shipments" VALUES('orch-completed','TRK22E29082F58E','booked');
INSERT INTO "shipments" VALUES('chor-completed','TRK5C3B74BE1A6A','booked');
CREATE INDEX ix_inbox_correlation ON inbox (correlation);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('outbox',8);
COMMIT;
