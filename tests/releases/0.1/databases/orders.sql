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
INSERT INTO "inbox" VALUES('chor-completed:OrderPlaced','chor-completed','OrderPlaced','{"order": {"order_id": "chor-completed", "customer_id": "customer-of-chor-completed", "lines": [{"sku": "mug", "quantity": 2}, {"sku": "tea-sampler", "quantity": 1}], "payment_token": "tok_visa", "ship_to": {"name": "A", "street": "1 Street", "postal_code": "10115", "city": "Berlin", "country": "DE"}}}',1795603342020,0);
INSERT INTO "inbox" VALUES('chor-rejected:OrderPlaced','chor-rejected','OrderPlaced','{"order": {"order_id": "chor-rejected", "customer_id": "customer-of-chor-rejected", "lines": [{"sku": "mug", "quantity": 2}, {"sku": "tea-sampler", "quantity": 1}], "payment_token": "tok_chargeDeclined", "ship_to": {"name": "A", "street": "1 Street", "postal_code": "10115", "city": "Berlin", "country": "DE"}}}',1795603342027,0);
INSERT INTO "inbox" VALUES('chor-cancelled:OrderPlaced','chor-cancelled','OrderPlaced','{"order": {"order_id": "chor-cancelled", "customer_id": "customer-of-chor-cancelled", "lines": [{"sku": "mug", "quantity": 2}, {"sku": "tea-sampler", "quantity": 1}], "payment_token": "tok_visa", "ship_to": {"name": "A", "street": "1 Street", "postal_code": "10115", "city": "Berlin", "country": "DE"}}}',1795603342031,0);
INSERT INTO "inbox" VALUES('chor-rejected:charge:PaymentFailed','chor-rejected','PaymentFailed','{"reason": "PaymentDeclined: the card was declined"}',1795603342327,0);
INSERT INTO "inbox" VALUES('chor-rejected:reserve:StockReleased','chor-rejected','StockReleased','{"had_effect": true, "lines": [{"sku": "mug", "quantity": 2}, {"sku": "tea-sampler", "quantity": 1}]}',1795603342437,0);
INSERT INTO "inbox" VALUES('chor-cancelled:e42ff96e8ab24e02b218a163f0985aa9','chor-cancelled','CancelRequested','{"reason": "changed my mind"}',1795603342501,0);
INSERT INTO "inbox" VALUES('chor-completed:ship:Shipped','chor-completed','Shipped','{"tracking_number": "TRK5C3B74BE1A6A", "country": "DE"}',1795603342501,0);
INSERT INTO "inbox" VALUES('chor-cancelled:ship:ShipmentCancelled','chor-cancelled','ShipmentCancelled','{"had_effect": false, "reason": "Cancelled by the customer: changed my mind"}',1795603342586,0);
INSERT INTO "inbox" VALUES('chor-cancelled:charge:PaymentRefunded','chor-cancelled','PaymentRefunded','{"had_effect": true, "amount": {"amount": 4850, "currency": "EUR"}}',1795603342660,0);
INSERT INTO "inbox" VALUES('chor-cancelled:reserve:StockReleased','chor-cancelled','StockReleased','{"had_effect": true, "lines": [{"sku": "mug", "quantity": 2}, {"sku": "tea-sampler", "quantity": 1}]}',1795603342661,0);
INSERT INTO "inbox" VALUES('chor-stuck:OrderPlaced','chor-stuck','OrderPlaced','{"order": {"order_id": "chor-stuck", "customer_id": "customer-of-chor-stuck", "lines": [{"sku": "mug", "quantity": 2}, {"sku": "tea-sampler", "quantity": 1}], "payment_token": "tok_visa", "ship_to": {"name": "A", "street": "1 Street", "postal_code": "1", "city": "Base", "country": "AQ"}}}',1795603342774,0);
INSERT INTO "inbox" VALUES('chor-held:OrderPlaced','chor-held','OrderPlaced','{"order": {"order_id": "chor-held", "customer_id": "customer-of-chor-held", "lines": [{"sku": "espresso-machine", "quantity": 1}], "payment_token": "tok_visa", "ship_to": {"name": "A", "street": "1 Street", "postal_code": "10115", "city": "Berlin", "country": "DE"}}}',1795603342770,0);
INSERT INTO "inbox" VALUES('chor-stuck:ship:ShippingFailed','chor-stuck','ShippingFailed','{"reason": "Undeliverable: no courier goes to AQ"}',1795603343165,0);
INSERT INTO "inbox" VALUES('chor-stuck:reserve:StockReleased','chor-stuck','StockReleased','{"had_effect": true, "lines": [{"sku": "mug", "quantity": 2}, {"sku": "tea-sampler", "quantity": 1}]}',1795603343225,0);
INSERT INTO "inbox" VALUES('chor-half-undone:OrderPlaced','chor-half-undone','OrderPlaced','{"order": {"order_id": "chor-half-undone", "customer_id": "customer-of-chor-half-undone", "lines": [{"sku": "mug", "quantity": 2}, {"sku": "tea-sampler", "quantity": 1}], "payment_token": "tok_visa", "ship_to": {"name": "A", "street": "1 Street", "postal_code": "1", "city": "Base", "country": "AQ"}}}',1795603343251,0);
INSERT INTO "inbox" VALUES('chor-stuck:ship:ShippingFailed:payments:1:AttentionNeeded','chor-stuck','AttentionNeeded','{"step": "payments.refund", "problem": "CannotUndo: payments.refund says no"}',1795603343237,0);
INSERT INTO "inbox" VALUES('chor-half-undone:ship:ShippingFailed','chor-half-undone','ShippingFailed','{"reason": "Undeliverable: no courier goes to AQ"}',1795603343415,0);
INSERT INTO "inbox" VALUES('chor-half-undone:charge:PaymentRefunded','chor-half-undone','PaymentRefunded','{"had_effect": true, "amount": {"amount": 4850, "currency": "EUR"}}',1795603343458,0);
INSERT INTO "inbox" VALUES('chor-half-forward:OrderPlaced','chor-half-forward','OrderPlaced','{"order": {"order_id": "chor-half-forward", "customer_id": "customer-of-chor-half-forward", "lines": [{"sku": "mug", "quantity": 2}, {"sku": "tea-sampler", "quantity": 1}], "payment_token": "tok_visa", "ship_to": {"name": "A", "street": "1 Street", "postal_code": "10115", "city": "Berlin", "country": "DE"}}}',1795603343668,0);
INSERT INTO "inbox" VALUES('chor-in-the-outbox:OrderPlaced','chor-in-the-outbox','OrderPlaced','{"order": {"order_id": "chor-in-the-outbox", "customer_id": "customer-of-chor-in-the-outbox", "lines": [{"sku": "mug", "quantity": 2}, {"sku": "tea-sampler", "quantity": 1}], "payment_token": "tok_visa", "ship_to": {"name": "A", "street": "1 Street", "postal_code": "10115", "city": "Berlin", "country": "DE"}}}',1795603348310,0);
CREATE TABLE operations (
	"key" VARCHAR(200) NOT NULL, 
	state VARCHAR(10) NOT NULL, 
	request VARCHAR(64) NOT NULL, 
	answer TEXT NOT NULL, 
	refusal VARCHAR(50) NOT NULL, 
	recorded_at BIGINT NOT NULL, repeats INTEGER DEFAULT '0' NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "operations" VALUES('orch-completed:create','done','0048245a5dbe715314ed4317e78afeaa30921e4e1a314f27f62ad1eabf752609','{"total":{"amount":4850,"currency":"EUR"}}','',1795603340225,0);
INSERT INTO "operations" VALUES('orch-cancelled:create','undone','d9d3227fc30038496bd54e355cbaec9b549fe61d78a47812c124e6208f38c21e','{"had_effect":true}','',1795603340229,0);
INSERT INTO "operations" VALUES('orch-rejected:create','undone','0a9ceb8e45bff49405569705e278ff44993dec6479a6c92b0b723dcb358032ed','{"had_effect":true}','',1795603340240,0);
INSERT INTO "operations" VALUES('orch-completed:complete','done','839d13dadef8309726e79460884d98c7a9882ad575aafd3c0aad779308b14321','{}','',1795603340599,0);
INSERT INTO "operations" VALUES('orch-held:create','done','754bc08be0409765e5de49de642f9314d1a9171516a1b1cbdbc5bb3e717473d1','{"total":{"amount":129900,"currency":"EUR"}}','',1795603340701,0);
INSERT INTO "operations" VALUES('orch-stuck:create','undone','620d9772800c5eb3f51b209e32a67ba3fd744e373a621641de182c86110fb1aa','{"had_effect":true}','',1795603340716,0);
INSERT INTO "operations" VALUES('orch-half-undone:create','done','54ab1f886cdf3c67721b1ba9c549955e77a30a067b864f5a05b8774864e6cb9c','{"total":{"amount":4850,"currency":"EUR"}}','',1795603341169,0);
INSERT INTO "operations" VALUES('orch-half-forward:create','done','eb5a240ffcb333477b23181b9088e68cf9aff204436c04de9fad0fb806ed9f0c','{"total":{"amount":4850,"currency":"EUR"}}','',1795603341669,0);
INSERT INTO "operations" VALUES('chor-completed:create','done','550278bf820cbc2ea41bba9fd1fa038b35d0a819acb4c1de401249027002b29c','{"total":{"amount":4850,"currency":"EUR"}}','',1795603342075,0);
INSERT INTO "operations" VALUES('chor-rejected:create','undone','b4cf946c3501e92a8a3d572494d52f90f79d9b819eb3113249549f96200fbe51','{"had_effect":true}','',1795603342090,0);
INSERT INTO "operations" VALUES('chor-cancelled:create','undone','bfb65e3f58962b97d0f840b1a744da6758e13faa36675c9730e13dc3db74d11e','{"had_effect":true}','',1795603342102,0);
INSERT INTO "operations" VALUES('chor-completed:complete','done','31682232a61877b521295dfcc13b465fb17f259dbb7ed2964d535bbf1a66e251','{}','',1795603342567,0);
INSERT INTO "operations" VALUES('chor-stuck:create','done','72bd8623679ed7c411047b00217683c3021f30e9e04d903540ab3204927bb07e','{"total":{"amount":4850,"currency":"EUR"}}','',1795603342812,0);
INSERT INTO "operations" VALUES('chor-held:create','done','9ff7c75ac0f35426c6cf6fb0e16e533d009f6b72ea8830fa29c232467b66ff9e','{"total":{"amount":129900,"currency":"EUR"}}','',1795603342849,0);
INSERT INTO "operations" VALUES('chor-half-undone:create','done','1183b1f2943f72c923789d683649257d4bcd114f34d2b48f6e7535e1860a8c46','{"total":{"amount":4850,"currency":"EUR"}}','',1795603343286,0);
INSERT INTO "operations" VALUES('chor-half-forward:create','done','48319647bd1545afbcb5ec47c6481f5284eafc32274a7fefe5a4e51cbf47181e','{"total":{"amount":4850,"currency":"EUR"}}','',1795603343764,0);
INSERT INTO "operations" VALUES('chor-in-the-outbox:create','done','3776d640587e2295419d6a81b6dabf7556751a67785c759af412835f3fbdfd8a','{"total":{"amount":4850,"currency":"EUR"}}','',1795603348368,0);
CREATE TABLE order_lines (
	order_id VARCHAR(64) NOT NULL, 
	sku VARCHAR(100) NOT NULL, 
	quantity INTEGER NOT NULL, 
	unit_price BIGINT NOT NULL, 
	PRIMARY KEY (order_id, sku)
);
INSERT INTO "order_lines" VALUES('orch-completed','mug',2,1200);
INSERT INTO "order_lines" VALUES('orch-completed','tea-sampler',1,2450);
INSERT INTO "order_lines" VALUES('orch-cancelled','mug',2,1200);
INSERT INTO "order_lines" VALUES('orch-cancelled','tea-sampler',1,2450);
INSERT INTO "order_lines" VALUES('orch-rejected','mug',2,1200);
INSERT INTO "order_lines" VALUES('orch-rejected','tea-sampler',1,2450);
INSERT INTO "order_lines" VALUES('orch-held','espresso-machine',1,129900);
INSERT INTO "order_lines" VALUES('orch-stuck','mug',2,1200);
INSERT INTO "order_lines" VALUES('orch-stuck','tea-sampler',1,2450);
INSERT INTO "order_lines" VALUES('orch-half-undone','mug',2,1200);
INSERT INTO "order_lines" VALUES('orch-half-undone','tea-sampler',1,2450);
INSERT INTO "order_lines" VALUES('orch-half-forward','mug',2,1200);
INSERT INTO "order_lines" VALUES('orch-half-forward','tea-sampler',1,2450);
INSERT INTO "order_lines" VALUES('chor-completed','mug',2,1200);
INSERT INTO "order_lines" VALUES('chor-completed','tea-sampler',1,2450);
INSERT INTO "order_lines" VALUES('chor-rejected','mug',2,1200);
INSERT INTO "order_lines" VALUES('chor-rejected','tea-sampler',1,2450);
INSERT INTO "order_lines" VALUES('chor-cancelled','mug',2,1200);
INSERT INTO "order_lines" VALUES('chor-cancelled','tea-sampler',1,2450);
INSERT INTO "order_lines" VALUES('chor-stuck','mug',2,1200);
INSERT INTO "order_lines" VALUES('chor-stuck','tea-sampler',1,2450);
INSERT INTO "order_lines" VALUES('chor-held','espresso-machine',1,129900);
INSERT INTO "order_lines" VALUES('chor-half-undone','mug',2,1200);
INSERT INTO "order_lines" VALUES('chor-half-undone','tea-sampler',1,2450);
INSERT INTO "order_lines" VALUES('chor-half-forward','mug',2,1200);
INSERT INTO "order_lines" VALUES('chor-half-forward','tea-sampler',1,2450);
INSERT INTO "order_lines" VALUES('chor-in-the-outbox','mug',2,1200);
INSERT INTO "order_lines" VALUES('chor-in-the-outbox','tea-sampler',1,2450);
CREATE TABLE orders (
	order_id VARCHAR(64) NOT NULL, 
	customer_id VARCHAR(100) NOT NULL, 
	status VARCHAR(20) NOT NULL, 
	reason TEXT NOT NULL, 
	problem TEXT NOT NULL, 
	settled TEXT NOT NULL, 
	total BIGINT NOT NULL, 
	currency VARCHAR(3) NOT NULL, 
	ship_to TEXT NOT NULL, 
	placed_at BIGINT NOT NULL, style VARCHAR(20) DEFAULT 'orchestration' NOT NULL, 
	PRIMARY KEY (order_id)
);
INSERT INTO "orders" VALUES('orch-completed','customer-of-orch-completed','completed','','','',4850,'EUR','{"name":"A","street":"1 Street","postal_code":"10115","city":"Berlin","country":"DE"}',1795603340222,'orchestration');
INSERT INTO "orders" VALUES('orch-cancelled','customer-of-orch-cancelled','cancelled','Cancelled by the customer: changed my mind','','',4850,'EUR','{"name":"A","street":"1 Street","postal_code":"10115","city":"Berlin","country":"DE"}',1795603340229,'orchestration');
INSERT INTO "orders" VALUES('orch-rejected','customer-of-orch-rejected','rejected','PaymentDeclined: the card was declined','','',4850,'EUR','{"name":"A","street":"1 Street","postal_code":"10115","city":"Berlin","country":"DE"}',1795603340239,'orchestration');
INSERT INTO "orders" VALUES('orch-held','customer-of-orch-held','in-progress','','','',129900,'EUR','{"name":"A","street":"1 Street","postal_code":"10115","city":"Berlin","country":"DE"}',1795603340697,'orchestration');
INSERT INTO "orders" VALUES('orch-stuck','customer-of-orch-stuck','rejected','Undeliverable: no courier goes to AQ','payments.refund: CannotUndo: payments.refund says no','',4850,'EUR','{"name":"A","street":"1 Street","postal_code":"1","city":"Base","country":"AQ"}',1795603340716,'orchestration');
INSERT INTO "orders" VALUES('orch-half-undone','customer-of-orch-half-undone','in-progress','','','',4850,'EUR','{"name":"A","street":"1 Street","postal_code":"1","city":"Base","country":"AQ"}',1795603341165,'orchestration');
INSERT INTO "orders" VALUES('orch-half-forward','customer-of-orch-half-forward','in-progress','','','',4850,'EUR','{"name":"A","street":"1 Street","postal_code":"10115","city":"Berlin","country":"DE"}',1795603341668,'orchestration');
INSERT INTO "orders" VALUES('chor-completed','customer-of-chor-completed','completed','','','',4850,'EUR','{"name":"A","street":"1 Street","postal_code":"10115","city":"Berlin","country":"DE"}',1795603342073,'choreography');
INSERT INTO "orders" VALUES('chor-rejected','customer-of-chor-rejected','rejected','PaymentDeclined: the card was declined','','',4850,'EUR','{"name":"A","street":"1 Street","postal_code":"10115","city":"Berlin","country":"DE"}',1795603342085,'choreography');
INSERT INTO "orders" VALUES('chor-cancelled','customer-of-chor-cancelled','cancelled','Cancelled by the customer: changed my mind','','',4850,'EUR','{"name":"A","street":"1 Street","postal_code":"10115","city":"Berlin","country":"DE"}',1795603342101,'choreography');
INSERT INTO "orders" VALUES('chor-stuck','customer-of-chor-stuck','in-progress','','payments.refund: CannotUndo: payments.refund says no','',4850,'EUR','{"name":"A","street":"1 Street","postal_code":"1","city":"Base","country":"AQ"}',1795603342807,'choreography');
INSERT INTO "orders" VALUES('chor-held','customer-of-chor-held','in-progress','','','',129900,'EUR','{"name":"A","street":"1 Street","postal_code":"10115","city":"Berlin","country":"DE"}',1795603342840,'choreography');
INSERT INTO "orders" VALUES('chor-half-undone','customer-of-chor-half-undone','in-progress','','','',4850,'EUR','{"name":"A","street":"1 Street","postal_code":"1","city":"Base","country":"AQ"}',1795603343281,'choreography');
INSERT INTO "orders" VALUES('chor-half-forward','customer-of-chor-half-forward','in-progress','','','',4850,'EUR','{"name":"A","street":"1 Street","postal_code":"10115","city":"Berlin","country":"DE"}',1795603343762,'choreography');
INSERT INTO "orders" VALUES('chor-in-the-outbox','customer-of-chor-in-the-outbox','in-progress','','','',4850,'EUR','{"name":"A","street":"1 Street","postal_code":"10115","city":"Berlin","country":"DE"}',1795603348361,'choreography');
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
INSERT INTO "outbox" VALUES(24,'chor-in-the-outbox:create:OrderCreated','OrderCreated','chor-in-the-outbox','chor-in-the-outbox:OrderPlaced','choreography','{"customer_id":"customer-of-chor-in-the-outbox","lines":[{"sku":"mug","quantity":2,"unit_price":{"amount":1200,"currency":"EUR"}},{"sku":"tea-sampler","quantity":1,"unit_price":{"amount":2450,"currency":"EUR"}}],"total":{"amount":4850,"currency":"EUR"},"payment_token":"tok_visa","ship_to":{"name":"A","street":"1 Street","postal_code":"10115","city":"Berlin","country":"DE"}}',1795603348373);
CREATE TABLE products (
	sku VARCHAR(100) NOT NULL, 
	name VARCHAR(200) NOT NULL, 
	unit_price BIGINT NOT NULL, 
	currency VARCHAR(3) NOT NULL, 
	PRIMARY KEY (sku)
);
INSERT INTO "products" VALUES('coffee-beans','Coffee beans, 1 kg',1890,'EUR');
INSERT INTO "products" VALUES('tea-sampler','Tea sampler, 12 kinds',2450,'EUR');
INSERT INTO "products" VALUES('mug','Stoneware mug',1200,'EUR');
INSERT INTO "products" VALUES('french-press','French press, 1 l',3900,'EUR');
INSERT INTO "products" VALUES('grinder','Burr grinder',14900,'EUR');
INSERT INTO "products" VALUES('espresso-machine','Espresso machine',129900,'EUR');
INSERT INTO "products" VALUES('roaster','Drum roaster, 15 kg',1190000,'EUR');
INSERT INTO "products" VALUES('last-kettle','Copper kettle, discontinued',8900,'EUR');
INSERT INTO "products" VALUES('sold-out-scale','Pocket scale',4500,'EUR');
CREATE INDEX ix_inbox_correlation ON inbox (correlation);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('outbox',24);
COMMIT;
