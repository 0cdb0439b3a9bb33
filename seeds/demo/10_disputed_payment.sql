-- One payment is disputed: Viktor Halloran says that his German lesson of 11 June never took place, Beatrix
-- Vandermolen has her notes. Until somebody decides, the money stays out of her payout.
-- Runs again without harm: a dispute that was decided meanwhile stays as it is.

INSERT INTO payment_disputes (payment_id, opened_at, reason, evidence)
SELECT p.id,
       '2026-06-15 18:20:00+00',
       'The lesson did not take place. I waited in the call for twenty minutes.',
       jsonb_build_array(
           jsonb_build_object('from', 'student', 'text', 'Screenshot of an empty call, 18:21'),
           jsonb_build_object('from', 'instructor', 'text', 'Notes: began 18:01, ended 18:58, relative clauses')
       )
FROM payments p
JOIN bookings b ON b.id = p.booking_id
JOIN students s ON s.id = b.student_id
JOIN users u ON u.id = s.account_id
WHERE p.status = 'disputed' AND u.email = 'viktor.halloran@example.com'
ON CONFLICT DO NOTHING;
