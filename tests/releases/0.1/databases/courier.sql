BEGIN TRANSACTION;
CREATE TABLE parcels (
	"key" VARCHAR(200) NOT NULL, 
	status VARCHAR(10) NOT NULL, 
	tracking_number VARCHAR(64) NOT NULL, 
	destination TEXT NOT NULL, 
	message VARCHAR(200) NOT NULL, 
	booked_at BIGINT NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "parcels" VALUES('orch-completed:ship','booked','TRK22E29082F58E','{"name":"A","street":"1 Street","postal_code":"10115","city":"Berlin","country":"DE"}','',1795603340509);
INSERT INTO "parcels" VALUES('orch-cancelled:ship','cancelled','','','cancelled before it was booked',1795603340699);
INSERT INTO "parcels" VALUES('orch-stuck:ship','refused','','{"name":"A","street":"1 Street","postal_code":"1","city":"Base","country":"AQ"}','no courier goes to AQ',1795603341028);
INSERT INTO "parcels" VALUES('orch-half-undone:ship','refused','','{"name":"A","street":"1 Street","postal_code":"1","city":"Base","country":"AQ"}','no courier goes to AQ',1795603341342);
INSERT INTO "parcels" VALUES('chor-completed:ship','booked','TRK5C3B74BE1A6A','{"name":"A","street":"1 Street","postal_code":"10115","city":"Berlin","country":"DE"}','',1795603342483);
INSERT INTO "parcels" VALUES('chor-cancelled:ship','cancelled','','','cancelled before it was booked',1795603342546);
INSERT INTO "parcels" VALUES('chor-stuck:ship','refused','','{"name":"A","street":"1 Street","postal_code":"1","city":"Base","country":"AQ"}','no courier goes to AQ',1795603343162);
INSERT INTO "parcels" VALUES('chor-half-undone:ship','refused','','{"name":"A","street":"1 Street","postal_code":"1","city":"Base","country":"AQ"}','no courier goes to AQ',1795603343409);
COMMIT;
