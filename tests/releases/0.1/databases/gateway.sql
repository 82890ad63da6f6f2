BEGIN TRANSACTION;
CREATE TABLE ledger (
	"key" VARCHAR(200) NOT NULL, 
	state VARCHAR(10) NOT NULL, 
	charge_id VARCHAR(64) NOT NULL, 
	amount BIGINT NOT NULL, 
	refunded BIGINT NOT NULL, 
	currency VARCHAR(3) NOT NULL, 
	payment_token VARCHAR(100) NOT NULL, 
	message VARCHAR(200) NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "ledger" VALUES('orch-completed:charge','charged','ch_f7c25589fd20d8e58ba36636',4850,0,'EUR','tok_visa','');
INSERT INTO "ledger" VALUES('orch-cancelled:charge','refunded','ch_5aff67596874afe4c8f68e48',4850,4850,'EUR','tok_visa','');
INSERT INTO "ledger" VALUES('orch-rejected:charge','refused','',0,0,'EUR','tok_chargeDeclined','the card was declined');
INSERT INTO "ledger" VALUES('orch-stuck:charge','charged','ch_9d881bbcc183e78616fedcb5',4850,0,'EUR','tok_visa','');
INSERT INTO "ledger" VALUES('orch-half-undone:charge','refunded','ch_b483da1088565c518b6397c6',4850,4850,'EUR','tok_visa','');
INSERT INTO "ledger" VALUES('orch-half-forward:charge','charged','ch_c99b772e7c823d2c850bdd21',4850,0,'EUR','tok_visa','');
INSERT INTO "ledger" VALUES('chor-rejected:charge','refused','',0,0,'EUR','tok_chargeDeclined','the card was declined');
INSERT INTO "ledger" VALUES('chor-completed:charge','charged','ch_d0eacc62115bbb44871bff1e',4850,0,'EUR','tok_visa','');
INSERT INTO "ledger" VALUES('chor-cancelled:charge','refunded','ch_49628c7d127deca59fb53e46',4850,4850,'EUR','tok_visa','');
INSERT INTO "ledger" VALUES('chor-held:charge','charged','ch_b1958ef8ac964b122471963f',129900,0,'EUR','tok_visa','');
INSERT INTO "ledger" VALUES('chor-stuck:charge','charged','ch_8c9bc79ee88a790a19af8b96',4850,0,'EUR','tok_visa','');
INSERT INTO "ledger" VALUES('chor-half-undone:charge','refunded','ch_add72bc80957fda3002a377c',4850,4850,'EUR','tok_visa','');
INSERT INTO "ledger" VALUES('chor-half-forward:charge','charged','ch_a18a0faa197f63f99a3edffe',4850,0,'EUR','tok_visa','');
COMMIT;
