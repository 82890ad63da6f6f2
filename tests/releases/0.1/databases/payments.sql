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
INSERT INTO "inbox" VALUES('chor-rejected:reserve:StockReserved','chor-rejected','StockReserved','{"lines": [{"sku": "mug", "quantity": 2}, {"sku": "tea-sampler", "quantity": 1}]}',1795603342240,0);
INSERT INTO "inbox" VALUES('chor-completed:reserve:StockReserved','chor-completed','StockReserved','{"lines": [{"sku": "mug", "quantity": 2}, {"sku": "tea-sampler", "quantity": 1}]}',1795603342130,0);
INSERT INTO "inbox" VALUES('chor-cancelled:reserve:StockReserved','chor-cancelled','StockReserved','{"lines": [{"sku": "mug", "quantity": 2}, {"sku": "tea-sampler", "quantity": 1}]}',1795603342307,0);
INSERT INTO "inbox" VALUES('chor-cancelled:ship:ShipmentCancelled','chor-cancelled','ShipmentCancelled','{"had_effect": false, "reason": "Cancelled by the customer: changed my mind"}',1795603342586,0);
INSERT INTO "inbox" VALUES('chor-held:create:OrderCreated','chor-held','OrderCreated','{"customer_id": "customer-of-chor-held", "lines": [{"sku": "espresso-machine", "quantity": 1, "unit_price": {"amount": 129900, "currency": "EUR"}}], "total": {"amount": 129900, "currency": "EUR"}, "payment_token": "tok_visa", "ship_to": {"name": "A", "street": "1 Street", "postal_code": "10115", "city": "Berlin", "country": "DE"}}',1795603342849,0);
INSERT INTO "inbox" VALUES('chor-stuck:create:OrderCreated','chor-stuck','OrderCreated','{"customer_id": "customer-of-chor-stuck", "lines": [{"sku": "mug", "quantity": 2, "unit_price": {"amount": 1200, "currency": "EUR"}}, {"sku": "tea-sampler", "quantity": 1, "unit_price": {"amount": 2450, "currency": "EUR"}}], "total": {"amount": 4850, "currency": "EUR"}, "payment_token": "tok_visa", "ship_to": {"name": "A", "street": "1 Street", "postal_code": "1", "city": "Base", "country": "AQ"}}',1795603342815,0);
INSERT INTO "inbox" VALUES('chor-stuck:reserve:StockReserved','chor-stuck','StockReserved','{"lines": [{"sku": "mug", "quantity": 2}, {"sku": "tea-sampler", "quantity": 1}]}',1795603342948,0);
INSERT INTO "inbox" VALUES('chor-held:reserve:StockReserved','chor-held','StockReserved','{"lines": [{"sku": "espresso-machine", "quantity": 1}]}',1795603342916,0);
INSERT INTO "inbox" VALUES('chor-half-undone:create:OrderCreated','chor-half-undone','OrderCreated','{"customer_id": "customer-of-chor-half-undone", "lines": [{"sku": "mug", "quantity": 2, "unit_price": {"amount": 1200, "currency": "EUR"}}, {"sku": "tea-sampler", "quantity": 1, "unit_price": {"amount": 2450, "currency": "EUR"}}], "total": {"amount": 4850, "currency": "EUR"}, "payment_token": "tok_visa", "ship_to": {"name": "A", "street": "1 Street", "postal_code": "1", "city": "Base", "country": "AQ"}}',1795603343286,0);
INSERT INTO "inbox" VALUES('chor-half-undone:reserve:StockReserved','chor-half-undone','StockReserved','{"lines": [{"sku": "mug", "quantity": 2}, {"sku": "tea-sampler", "quantity": 1}]}',1795603343332,0);
INSERT INTO "inbox" VALUES('chor-half-undone:ship:ShippingFailed','chor-half-undone','ShippingFailed','{"reason": "Undeliverable: no courier goes to AQ"}',1795603343415,0);
INSERT INTO "inbox" VALUES('chor-half-forward:create:OrderCreated','chor-half-forward','OrderCreated','{"customer_id": "customer-of-chor-half-forward", "lines": [{"sku": "mug", "quantity": 2, "unit_price": {"amount": 1200, "currency": "EUR"}}, {"sku": "tea-sampler", "quantity": 1, "unit_price": {"amount": 2450, "currency": "EUR"}}], "total": {"amount": 4850, "currency": "EUR"}, "payment_token": "tok_visa", "ship_to": {"name": "A", "street": "1 Street", "postal_code": "10115", "city": "Berlin", "country": "DE"}}',1795603343764,0);
INSERT INTO "inbox" VALUES('chor-half-forward:reserve:StockReserved','chor-half-forward','StockReserved','{"lines": [{"sku": "mug", "quantity": 2}, {"sku": "tea-sampler", "quantity": 1}]}',1795603343824,0);
CREATE TABLE operations (
	"key" VARCHAR(200) NOT NULL, 
	state VARCHAR(10) NOT NULL, 
	request VARCHAR(64) NOT NULL, 
	answer TEXT NOT NULL, 
	refusal VARCHAR(50) NOT NULL, 
	recorded_at BIGINT NOT NULL, repeats INTEGER DEFAULT '0' NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "operations" VALUES('orch-completed:charge','done','1c5ad07a8b0bda0baf0c7940fd65a858d8f26089929d8f20694b9a7b838c963e','{"charge_id":"ch_f7c25589fd20d8e58ba36636"}','',1795603340429,0);
INSERT INTO "operations" VALUES('orch-cancelled:charge','undone','51c4776411402d09a61cdafa7c3757d65b1f031d795d78103d3a93503ec69b7a','{"had_effect":true}','',1795603340456,0);
INSERT INTO "operations" VALUES('orch-rejected:charge','refused','51222e86869d205b4e41d419003564115dc8cb821f78a0440f2daa4d458177c9','the card was declined','PaymentDeclined',1795603340474,0);
INSERT INTO "operations" VALUES('orch-stuck:charge','done','fdcb73e9776a29260005fa84ead9feade49a6a187b437f0763e594bf59c83044','{"charge_id":"ch_9d881bbcc183e78616fedcb5"}','',1795603340978,0);
INSERT INTO "operations" VALUES('orch-half-undone:charge','undone','991a92f14ffac2a0be2482d8550538f3ca571d9c52622fc466afc323d7c5f15a','{"had_effect":true}','',1795603341318,0);
INSERT INTO "operations" VALUES('orch-half-forward:charge','done','f622e818277bdc65d1638bc4fd02149541c3277187c241e4eff7426631b1afe9','{"charge_id":"ch_c99b772e7c823d2c850bdd21"}','',1795603341729,0);
INSERT INTO "operations" VALUES('chor-rejected:charge','refused','45423905d4936f8fe6a7adea49e7e573f63f0c3b5f29a5c4cecfc7d4a9df8100','the card was declined','PaymentDeclined',1795603342325,0);
INSERT INTO "operations" VALUES('chor-completed:charge','done','696e99f8866404ef72774db9e6214579fb49d898e92b9bfce76d2b8906595a86','{"charge_id":"ch_d0eacc62115bbb44871bff1e"}','',1795603342338,0);
INSERT INTO "operations" VALUES('chor-cancelled:charge','undone','07c43218a3e273201d2922cd395505aa63e8aa32f44283a1e94d2ace5342d6fa','{"had_effect":true}','',1795603342429,0);
INSERT INTO "operations" VALUES('chor-stuck:charge','done','ef2e54e6b4814ca4983cec2641a173adbc1121743a8d459e94e69bacb47b1db3','{"charge_id":"ch_8c9bc79ee88a790a19af8b96"}','',1795603343062,0);
INSERT INTO "operations" VALUES('chor-held:charge','done','333d01666bc17aa8f1f3b379f4b3615473a0b0f01e7fac66b47b38a1bcecc71a','{"charge_id":"ch_b1958ef8ac964b122471963f"}','',1795603343073,0);
INSERT INTO "operations" VALUES('chor-half-undone:charge','undone','e6ec273ed959c5077b2803039aedc56c63e94eaf30da4203f25abddf5d9e7eb5','{"had_effect":true}','',1795603343369,0);
INSERT INTO "operations" VALUES('chor-half-forward:charge','done','353d869c7b26580b865ce56561a1e56de76831db83912083845ed742e9568dc3','{"charge_id":"ch_a18a0faa197f63f99a3edffe"}','',1795603343871,0);
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
CREATE TABLE payments (
	order_id VARCHAR(64) NOT NULL, 
	charge_id VARCHAR(64) NOT NULL, 
	amount BIGINT NOT NULL, 
	currency VARCHAR(3) NOT NULL, 
	refunded BIGINT NOT NULL, 
	PRIMARY KEY (order_id)
);
INSERT INTO "payments" VALUES('orch-completed','ch_f7c25589fd20d8e58ba36636',4850,'EUR',0);
INSERT INTO "payments" VALUES('orch-cancelled','ch_5aff67596874afe4c8f68e48',4850,'EUR',4850);
INSERT INTO "payments" VALUES('orch-stuck','ch_9d881bbcc183e78616fedcb5',4850,'EUR',0);
INSERT INTO "payments" VALUES('orch-half-undone','ch_b483da1088565c518b6397c6',4850,'EUR',4850);
INSERT INTO "payments" VALUES('orch-half-forward','ch_c99b772e7c823d2c850bdd21',4850,'EUR',0);
INSERT INTO "payments" VALUES('chor-completed','ch_d0eacc62115bbb44871bff1e',4850,'EUR',0);
INSERT INTO "payments" VALUES('chor-cancelled','ch_49628c7d127deca59fb53e46',4850,'EUR',4850);
INSERT INTO "payments" VALUES('chor-stuck','ch_8c9bc79ee88a790a19af8b96',4850,'EUR',0);
INSERT INTO "payments" VALUES('chor-held','ch_b1958ef8ac964b122471963f',129900,'EUR',0);
INSERT INTO "payments" VALUES('chor-half-undone','ch_add72bc80957fda3002a377c',4850,'EUR',4850);
INSERT INTO "payments" VALUES('chor-half-forward','ch_a18a0faa197f63f99a3edffe',4850,'EUR',0);
CREATE INDEX ix_inbox_correlation ON inbox (correlation);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('outbox',17);
COMMIT;
