CREATE SCHEMA billing;
COMMENT ON SCHEMA billing IS 'money';
GRANT USAGE ON SCHEMA billing TO reader;
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE DOMAIN posint AS int CHECK (VALUE > 0);
CREATE TYPE pair AS (x int, y text);
CREATE TYPE span AS RANGE (subtype = float8);
CREATE SEQUENCE loose_numbers START 42;
CREATE TABLE people (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE, m mood DEFAULT 'good', p posint, s span, pairs pair[], doc jsonb, b bytea, number int DEFAULT nextval('loose_numbers'), twice int GENERATED ALWAYS AS (p * 2) STORED);
COMMENT ON TABLE people IS 'who';
COMMENT ON COLUMN people.name IS 'how; called';
CREATE TABLE billing."In voice; %s" (id serial PRIMARY KEY, person int REFERENCES people ON DELETE CASCADE, at timestamptz DEFAULT '2026-01-01 12:00', "naïve ""col" text);
CREATE TABLE log (k int, t text) PARTITION BY RANGE (k);
CREATE TABLE log_a PARTITION OF log FOR VALUES FROM (0) TO (10);
CREATE INDEX ON log (t);
GRANT SELECT ON people TO reader;
GRANT INSERT (name) ON people TO reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA billing GRANT SELECT ON TABLES TO reader;
CREATE TABLE billing.later (id int);
CREATE VIEW billing.names AS SELECT p.name, i.id FROM people p JOIN billing."In voice; %s" i ON i.person = p.id;
CREATE MATERIALIZED VIEW summary AS SELECT count(*) AS n FROM people;
CREATE UNIQUE INDEX ON summary (n);
CREATE FUNCTION tally(a int, b text DEFAULT E'x\ny') RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM people; SELECT 2::bigint; END;
CREATE FUNCTION odd() RETURNS trigger LANGUAGE plpgsql SET search_path = public AS $body$
-- Name: fake; Type: TABLE; Schema: public; Owner: app
BEGIN
  RAISE NOTICE '\. %', $$;$$;
  RETURN NEW;
END
$body$;
REVOKE EXECUTE ON FUNCTION odd() FROM PUBLIC;
CREATE PROCEDURE noop() LANGUAGE sql AS '';
CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');
CREATE TRIGGER odd BEFORE INSERT ON people FOR EACH ROW EXECUTE FUNCTION odd();
CREATE FUNCTION same(pair, pair) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT $1.x = $2.x';
CREATE OPERATOR === (LEFTARG = pair, RIGHTARG = pair, FUNCTION = same);
CREATE STATISTICS people_stats ON name, m FROM people;
CREATE COLLATION plain (provider = libc, locale = 'C');
CREATE TEXT SEARCH CONFIGURATION words (COPY = simple);
ALTER TABLE people ENABLE ROW LEVEL SECURITY;
CREATE POLICY all_of_them ON people USING (true);
CREATE RULE nothing AS ON DELETE TO log DO ALSO NOTHING;
INSERT INTO people (name, p, pairs, doc, b) SELECT 'person ' || n, n, ARRAY[(n, E'a\\b\n\t')::pair], '{"a": [1]}', '\x00ff' FROM generate_series(1, 300) n;
INSERT INTO billing."In voice; %s" (person, "naïve ""col") SELECT n, CASE WHEN n % 2 = 0 THEN '\.' ELSE NULL END FROM generate_series(1, 300) n;
INSERT INTO log VALUES (1, E'\\.'), (2, '');
REFRESH MATERIALIZED VIEW summary;
