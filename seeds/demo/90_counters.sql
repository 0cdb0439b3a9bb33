-- The rows above bring their own numbers; new ones continue after the highest. No counter ever moves back.

SELECT setval('users_id_seq', greatest((SELECT max(id) FROM users), last_value)) FROM users_id_seq;
SELECT setval('instructors_id_seq', greatest((SELECT max(id) FROM instructors), last_value)) FROM instructors_id_seq;
SELECT setval('services_id_seq', greatest((SELECT max(id) FROM services), last_value)) FROM services_id_seq;
SELECT setval('availability_windows_id_seq', greatest((SELECT max(id) FROM availability_windows), last_value))
FROM availability_windows_id_seq;
SELECT setval('time_off_id_seq', greatest((SELECT max(id) FROM time_off), last_value)) FROM time_off_id_seq;
SELECT setval('students_id_seq', greatest((SELECT max(id) FROM students), last_value)) FROM students_id_seq;
SELECT setval('bookings_id_seq', greatest((SELECT max(id) FROM bookings), last_value)) FROM bookings_id_seq;
SELECT setval('payouts_id_seq', greatest((SELECT max(id) FROM payouts), last_value)) FROM payouts_id_seq;
SELECT setval('payments_id_seq', greatest((SELECT max(id) FROM payments), last_value)) FROM payments_id_seq;
