-- The account from which the marketplace itself writes, and the numbers that new rows of this set will get.
-- Every statement may run again: it adds what is missing and moves no counter back.

INSERT INTO users (id, email, first_name, last_name, created_at)
VALUES (1, 'support@example.org', 'Instainstru', 'Support', '2023-09-01 08:00:00+00')
ON CONFLICT DO NOTHING;

SELECT setval('regions_id_seq', greatest((SELECT max(id) FROM regions), last_value)) FROM regions_id_seq;
SELECT setval('holidays_id_seq', greatest((SELECT max(id) FROM holidays), last_value)) FROM holidays_id_seq;
SELECT setval('categories_id_seq', greatest((SELECT max(id) FROM categories), last_value)) FROM categories_id_seq;
SELECT setval('catalogue_services_id_seq', greatest((SELECT max(id) FROM catalogue_services), last_value))
FROM catalogue_services_id_seq;
SELECT setval('users_id_seq', greatest((SELECT max(id) FROM users), last_value)) FROM users_id_seq;
