-- The database on which tests/server/lint_rows.py is tried: large tables, small ones, and everything that can be lost.
CREATE TYPE mood AS ENUM ('fine', 'tired', 'angry');
CREATE TYPE address AS (street text, town text);
CREATE DOMAIN percent AS int CHECK (VALUE BETWEEN 0 AND 100);
CREATE DOMAIN label AS text;

CREATE TABLE users (
    id bigint PRIMARY KEY, email varchar(50) NOT NULL, name text, phone text, age int, bio varchar DEFAULT '', code char(5),
    balance numeric(10,2), amount numeric, score float8, born timestamp, seen timestamptz, mood mood, network cidr,
    place address, share int, checked int CHECK (checked >= 0), proven int, unproven int, tag varchar(10), nick label,
    CONSTRAINT proven_there CHECK (proven IS NOT NULL)
);
INSERT INTO users
SELECT n, 'u' || n || '@example.com', 'name ' || n, '+49 ' || n, n % 90, 'bio', 'c' || n % 1000, n + 0.55, n + 0.123,
       n / 3.0::float8, '2026-01-01 10:11:12.345678'::timestamp + n * interval '1 minute', now(), 'fine', '10.0.0.0/24',
       ROW('street', 'town')::address, n % 100, 1, 1, n, 'tag', 'nick'
  FROM generate_series(1, 12000) AS n;
ALTER TABLE users ADD CONSTRAINT unproven_there CHECK (unproven IS NOT NULL) NOT VALID;
CREATE UNIQUE INDEX users_email ON users (email);
CREATE INDEX users_age ON users (age);
CREATE UNIQUE INDEX users_code ON users (id, age);
CREATE INDEX users_phone_of_fine ON users (phone) WHERE bio = 'bio';

CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint, note text, total int, CONSTRAINT orders_user FOREIGN KEY (user_id) REFERENCES users (id));
INSERT INTO orders SELECT n, n, 'note', n FROM generate_series(1, 12000) AS n;
CREATE TABLE items (id bigint NOT NULL, order_id bigint, price int, weight int);
INSERT INTO items SELECT n, n, n, n FROM generate_series(1, 12000) AS n;
CREATE UNIQUE INDEX items_id ON items (id);
CREATE UNIQUE INDEX items_weight ON items (weight);
CREATE TABLE small (id int PRIMARY KEY, name varchar(20), n int, price numeric(6,2));
INSERT INTO small SELECT n, 'name ' || n, n, n + 0.5 FROM generate_series(1, 50) AS n;
CREATE TABLE bare (id int PRIMARY KEY, name text);
CREATE UNLOGGED TABLE scratch (id int PRIMARY KEY, name text);
INSERT INTO scratch SELECT n, 'x' FROM generate_series(1, 12000) AS n;
CREATE TABLE rated (id int PRIMARY KEY, share percent);
INSERT INTO rated SELECT n, n % 100 FROM generate_series(1, 12000) AS n;

CREATE TABLE events (id int, day int NOT NULL, what text) PARTITION BY RANGE (day);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (12000);
CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM (12000) TO (24000);
CREATE TABLE events_3 PARTITION OF events FOR VALUES FROM (24000) TO (36000);
INSERT INTO events SELECT n, n, 'what' FROM generate_series(0, 35999) AS n;
CREATE TABLE logs (id int, day int NOT NULL) PARTITION BY RANGE (day);
CREATE TABLE logs_rest PARTITION OF logs DEFAULT;
INSERT INTO logs SELECT n, n FROM generate_series(1, 12000) AS n;
CREATE TABLE old_events (id int, day int NOT NULL, what text);
INSERT INTO old_events SELECT n, n + 36000, 'what' FROM generate_series(0, 11999) AS n;
CREATE TABLE old_proven (LIKE old_events, CONSTRAINT within CHECK (day >= 48000 AND day < 60000));
INSERT INTO old_proven SELECT n, n + 48000, 'what' FROM generate_series(0, 11999) AS n;

CREATE VIEW grown_up AS SELECT id, share FROM users WHERE share >= 18;
CREATE MATERIALIZED VIEW ages AS SELECT id, age FROM users;
CREATE UNIQUE INDEX ages_id ON ages (id);
CREATE SEQUENCE numbers;
CREATE SCHEMA extra;
CREATE TABLE extra.facts (id int PRIMARY KEY, fact text);
INSERT INTO extra.facts SELECT n, 'fact' FROM generate_series(1, 12000) AS n;
CREATE TABLE secrets (id int PRIMARY KEY, owner text);
INSERT INTO secrets SELECT n, CASE n % 2 WHEN 0 THEN 'lint_app' ELSE 'x' END FROM generate_series(1, 12000) AS n;
ALTER TABLE secrets ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON secrets USING (owner = current_user);
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER on_order BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION nothing();
CREATE PUBLICATION told FOR TABLE users;
CREATE FUNCTION slow_default() RETURNS int LANGUAGE sql VOLATILE AS 'SELECT 1';
CREATE FUNCTION steady_default() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';

GRANT USAGE ON SCHEMA public, extra TO lint_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public, extra TO lint_app;
GRANT SELECT ON secrets TO lint_other;
GRANT lint_app TO lint_member;
