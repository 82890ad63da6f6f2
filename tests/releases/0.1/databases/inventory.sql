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
INSERT INTO "inbox" VALUES('chor-rejected:charge:PaymentFailed','chor-rejected','PaymentFailed','{"reason": "PaymentDeclined: the card was declined"}',1795603342327,0);
INSERT INTO "inbox" VALUES('chor-cancelled:ship:ShipmentCancelled','chor-cancelled','ShipmentCancelled','{"had_effect": false, "reason": "Cancelled by the customer: changed my mind"}',1795603342586,0);
INSERT INTO "inbox" VALUES('chor-held:create:OrderCreated','chor-held','OrderCreated','{"customer_id": "customer-of-chor-held", "lines": [{"sku": "espresso-machine", "quantity": 1, "unit_price": {"amount": 129900, "currency": "EUR"}}], "total": {"amount": 129900, "currency": "EUR"}, "payment_token": "tok_visa", "ship_to": {"name": "A", "street": "1 Street", "postal_code": "10115", "city": "Berlin", "country": "DE"}}',1795603342849,0);
INSERT INTO "inbox" VALUES('chor-stuck:create:OrderCreated','chor-stuck','OrderCreated','{"customer_id": "customer-of-chor-stuck", "lines": [{"sku": "mug", "quantity": 2, "unit_price": {"amount": 1200, "currency": "EUR"}}, {"sku": "tea-sampler", "quantity": 1, "unit_price": {"amount": 2450, "currency": "EUR"}}], "total": {"amount": 4850, "currency": "EUR"}, "payment_token": "tok_visa", "ship_to": {"name": "A", "street": "1 Street", "postal_code": "1", "city": "Base", "country": "AQ"}}',1795603342815,0);
INSERT INTO "inbox" VALUES('chor-stuck:ship:ShippingFailed','chor-stuck','ShippingFailed','{"reason": "Undeliverable: no courier goes to AQ"}',1795603343165,0);
INSERT INTO "inbox" VALUES('chor-half-undone:create:OrderCreated','chor-half-undone','OrderCreated','{"customer_id": "customer-of-chor-half-undone", "lines": [{"sku": "mug", "quantity": 2, "unit_price": {"amount": 1200, "currency": "EUR"}}, {"sku": "tea-sampler", "quantity": 1, "unit_price": {"amount": 2450, "currency": "EUR"}}], "total": {"amount": 4850, "currency": "EUR"}, "payment_token": "tok_visa", "ship_to": {"name": "A", "street": "1 Street", "postal_code": "1", "city": "Base", "country": "AQ"}}',1795603343286,0);
INSERT INTO "inbox" VALUES('chor-half-forward:create:OrderCreated','chor-half-forward','OrderCreated','{"customer_id": "customer-of-chor-half-forward", "lines": [{"sku": "mug", "quantity": 2, "unit_price": {"amount": 1200, "currency": "EUR"}}, {"sku": "tea-sampler", "quantity": 1, "unit_price": {"amount": 2450, "currency": "EUR"}}], "total": {"amount": 4850, "currency": "EUR"}, "payment_token": "tok_visa", "ship_to": {"name": "A", "street": "1 Street", "postal_code": "10115", "city": "Berlin", "country": "DE"}}',1795603343764,1);
CREATE TABLE operations (
	"key" VARCHAR(200) NOT NULL, 
	state VARCHAR(10) NOT NULL, 
	request VARCHAR(64) NOT NULL, 
	answer TEXT NOT NULL, 
	refusal VARCHAR(50) NOT NULL, 
	recorded_at BIGINT NOT NULL, repeats INTEGER DEFAULT '0' NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "operations" VALUES('orch-completed:reserve','done','2011ac0d1c9b0cf7a82603f89b10e852eedb0f215d77506539d721d556718b3e','{}','',1795603340265,0);
INSERT INTO "operations" VALUES('orch-cancelled:reserve','undone','063a453a23434c20068a8baf2315fa38551d1fa4495324b3a96a822bf33fb0bb','{"had_effect":true}','',1795603340283,0);
INSERT INTO "operations" VALUES('orch-rejected:reserve','undone','ce96e2d491e5c77b4005e1199f0806827bfa4c073a4480777a5dfcffb9d515c3','{"had_effect":true}','',1795603340292,0);
INSERT INTO "operations" VALUES('orch-held:reserve','done','242a140c2bc12d152ef46c5b129c9bbec2d6519dd4697a4fdef68e50f33b707a','{}','',1795603340831,0);
INSERT INTO "operations" VALUES('orch-stuck:reserve','undone','aa1f13c80263c5b2c13a5f44510d9569ea0ab70f4e3e9b778f5b6fc3aaad7c1f','{"had_effect":true}','',1795603340845,0);
INSERT INTO "operations" VALUES('orch-half-undone:reserve','done','e52ffdd910823557c9de13a62e4d3686a5f872370172160b5b5770b48a847d88','{}','',1795603341243,0);
INSERT INTO "operations" VALUES('orch-half-forward:reserve','done','c499f0aed2a807f19c532bba2b34f1d8f3839bb739b0c98cbebde7692fde269d','{}','',1795603341696,0);
INSERT INTO "operations" VALUES('chor-completed:reserve','done','6c2ee4989dbaab723771cee78da9a4066e7c6e3354780583dd68722bcd59a9bd','{}','',1795603342120,0);
INSERT INTO "operations" VALUES('chor-rejected:reserve','undone','d0abbf6cb64746353f2af108475c854600c56c74c27e4b9a92fb9fe0ee7025f0','{"had_effect":true}','',1795603342240,0);
INSERT INTO "operations" VALUES('chor-cancelled:reserve','undone','c8cb1996531cca41acaf2c5d922b4d633b34cf21244d0ea0797a739dff75726a','{"had_effect":true}','',1795603342300,0);
INSERT INTO "operations" VALUES('chor-held:reserve','done','1f2a4a5d6c3eb6f95ed48b3159babdaa71e3de10cc038334cf9113af097dcbdf','{}','',1795603342915,0);
INSERT INTO "operations" VALUES('chor-stuck:reserve','undone','a4ea9953208963980db38b7bcc1c036372af3df73f169eb483c1bbe205d6745f','{"had_effect":true}','',1795603342946,0);
INSERT INTO "operations" VALUES('chor-half-undone:reserve','done','cd06541e7a57912034ab6e13b5e31fbd42940552bcdf0e21baf4f78f9fec86bc','{}','',1795603343331,0);
INSERT INTO "operations" VALUES('chor-half-forward:reserve','done','feb1dbfc3dbf271cb5536e22ad839a14e0d1de9e31c25f034bd02a0ee0af3649','{}','',1795603343824,0);
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
CREATE TABLE reservations (
	order_id VARCHAR(64) NOT NULL, 
	sku VARCHAR(100) NOT NULL, 
	quantity INTEGER NOT NULL, 
	PRIMARY KEY (order_id, sku)
);
INSERT INTO "reservations" VALUES('orch-completed','mug',2);
INSERT INTO "reservations" VALUES('orch-completed','tea-sampler',1);
INSERT INTO "reservations" VALUES('orch-held','espresso-machine',1);
INSERT INTO "reservations" VALUES('orch-half-undone','mug',2);
INSERT INTO "reservations" VALUES('orch-half-undone','tea-sampler',1);
INSERT INTO "reservations" VALUES('orch-half-forward','mug',2);
INSERT INTO "reservations" VALUES('orch-half-forward','tea-sampler',1);
INSERT INTO "reservations" VALUES('chor-completed','mug',2);
INSERT INTO "reservations" VALUES('chor-completed','tea-sampler',1);
INSERT INTO "reservations" VALUES('chor-held','espresso-machine',1);
INSERT INTO "reservations" VALUES('chor-half-undone','mug',2);
INSERT INTO "reservations" VALUES('chor-half-undone','tea-sampler',1);
INSERT INTO "reservations" VALUES('chor-half-forward','mug',2);
INSERT INTO "reservations" VALUES('chor-half-forward','tea-sampler',1);
CREATE TABLE stock (
	sku VARCHAR(100) NOT NULL, 
	received INTEGER NOT NULL, 
	on_hand INTEGER NOT NULL, 
	PRIMARY KEY (sku), 
	CONSTRAINT ck_stock_on_hand CHECK (on_hand >= 0)
);
INSERT INTO "stock" VALUES('coffee-beans',20000,20000);
INSERT INTO "stock" VALUES('tea-sampler',20000,19994);
INSERT INTO "stock" VALUES('mug',20000,19988);
INSERT INTO "stock" VALUES('french-press',5000,5000);
INSERT INTO "stock" VALUES('grinder',2000,2000);
INSERT INTO "stock" VALUES('espresso-machine',500,498);
INSERT INTO "stock" VALUES('roaster',20,20);
INSERT INTO "stock" VALUES('last-kettle',1,1);
INSERT INTO "stock" VALUES('sold-out-scale',0,0);
CREATE INDEX ix_inbox_correlation ON inbox (correlation);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('outbox',20);
COMMIT;
