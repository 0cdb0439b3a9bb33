"""What the sample's data must be: rows a table, and queries that find what contradicts a claim."""

ROWS = {
    "availability_windows": 29,
    "booking_status_history": 1723,
    "bookings": 898,
    "cancellation_policies": 5,
    "catalogue_services": 89,
    "categories": 27,
    "favourites": 89,
    "holidays": 30,
    "instructor_regions": 15,
    "instructors": 12,
    "messages": 219,
    "payment_disputes": 1,
    "payments": 885,
    "payouts": 58,
    "promo_codes": 24,
    "regions": 12,
    "reviews": 306,
    "services": 30,
    "students": 192,
    "time_off": 14,
    "users": 131,
}

# Each query finds the rows that contradict the claim.
CONSISTENT: dict[str, str] = {
    "a payment's amount is what its booking costs": (
        "SELECT p.id FROM payments p JOIN bookings b ON b.id = p.booking_id WHERE p.amount_cents <> b.due_cents"
    ),
    "every lesson given, missed or confirmed is paid or free": """
        SELECT b.id FROM bookings b LEFT JOIN payments p ON p.booking_id = b.id
        WHERE (b.status IN ('completed', 'no_show', 'confirmed') AND b.due_cents > 0) AND p.id IS NULL""",
    "nothing is paid for a pending booking": (
        "SELECT p.id FROM payments p JOIN bookings b ON b.id = p.booking_id WHERE b.status = 'pending'"
    ),
    "a payment's status follows from its booking's": """
        SELECT p.id FROM payments p JOIN bookings b ON b.id = p.booking_id
        WHERE NOT CASE b.status
            WHEN 'completed' THEN p.status IN ('captured', 'disputed')
            WHEN 'no_show' THEN p.status = 'captured'
            WHEN 'confirmed' THEN p.status = 'authorised'
            WHEN 'cancelled' THEN p.status IN ('voided', 'captured', 'partly_refunded') END""",
    "the house keeps fifteen per cent of what it captured": """
        SELECT id FROM payments
        WHERE fee_cents <> CASE WHEN captured_at IS NULL THEN 0 ELSE (amount_cents - refunded_cents) * 15 / 100 END""",
    "a late cancellation is refunded by the instructor's policy, an early one not charged": """
        SELECT p.id FROM payments p JOIN bookings b ON b.id = p.booking_id
        JOIN students s ON s.id = b.student_id JOIN instructors i ON i.id = b.instructor_id
        JOIN cancellation_policies c ON c.code = i.cancellation_policy
        WHERE b.status = 'cancelled' AND NOT CASE
            WHEN b.cancelled_by = s.account_id AND b.starts_at - b.cancelled_at < c.notice
            THEN p.status <> 'voided' AND p.refunded_cents = p.amount_cents * c.late_refund_percent / 100
            ELSE p.status = 'voided' END""",
    "only the student's account or the instructor cancels": """
        SELECT b.id FROM bookings b JOIN students s ON s.id = b.student_id JOIN instructors i ON i.id = b.instructor_id
        WHERE b.cancelled_by NOT IN (s.account_id, i.user_id) OR b.cancelled_at NOT BETWEEN b.created_at AND b.starts_at
    """,
    "a payout is the sum of its payments": """
        SELECT o.id FROM payouts o LEFT JOIN payments p ON p.payout_id = o.id
        GROUP BY o.id HAVING o.amount_cents IS DISTINCT FROM sum(p.net_cents)""",
    "a payment belongs to its own instructor's payout of the month": """
        SELECT p.id FROM payments p JOIN bookings b ON b.id = p.booking_id JOIN payouts o ON o.id = p.payout_id
        WHERE o.instructor_id <> b.instructor_id
           OR NOT o.period @> (p.captured_at AT TIME ZONE 'Europe/Lisbon')::date""",
    "every payment captured before September is paid out, unless disputed": """
        SELECT id FROM payments
        WHERE (payout_id IS NULL) <> (captured_at IS NULL OR captured_at >= '2026-09-01 00:00 Europe/Lisbon'
                                      OR status = 'disputed')""",
    "the one disputed payment has its dispute": """
        SELECT p.id FROM payments p FULL JOIN payment_disputes d ON d.payment_id = p.id
        WHERE (p.status = 'disputed') IS DISTINCT FROM (d.payment_id IS NOT NULL)""",
    "a booking costs what the service costs and lasts as long": """
        SELECT b.id FROM bookings b JOIN services s ON s.id = b.service_id
        WHERE b.price_cents <> s.price_cents OR b.ends_at - b.starts_at <> s.minutes * interval '1 minute'""",
    "a discount is what its code gives, while the code is valid": """
        SELECT b.id FROM bookings b JOIN promo_codes c ON c.code = b.promo_code
        WHERE b.discount_cents <> coalesce(b.price_cents * c.percent_off / 100, least(c.cents_off, b.price_cents))
           OR NOT c.valid @> (b.created_at AT TIME ZONE 'UTC')::date""",
    "no code is used more often than allowed": """
        SELECT c.code FROM promo_codes c JOIN bookings b ON b.promo_code = c.code
        GROUP BY c.code HAVING count(*) > c.max_uses""",
    "lessons lie within the hours that the instructor offers": """
        SELECT b.id FROM bookings b WHERE NOT EXISTS (
            SELECT FROM availability_windows w
            WHERE w.instructor_id = b.instructor_id
              AND w.weekday = extract(isodow FROM b.starts_at AT TIME ZONE 'Europe/Lisbon')
              AND w.opens <= (b.starts_at AT TIME ZONE 'Europe/Lisbon')::time
              AND w.closes >= (b.ends_at AT TIME ZONE 'Europe/Lisbon')::time)""",
    "nobody teaches on a day off": """
        SELECT b.id FROM bookings b JOIN time_off t ON t.instructor_id = b.instructor_id
        WHERE t.days @> (b.starts_at AT TIME ZONE 'Europe/Lisbon')::date""",
    "no student is in two lessons at once": """
        SELECT a.id FROM bookings a JOIN bookings b ON a.student_id = b.student_id AND a.id < b.id
        WHERE a.during && b.during AND a.status <> 'cancelled' AND b.status <> 'cancelled'""",
    "nobody books before having an account": """
        SELECT b.id FROM bookings b JOIN students s ON s.id = b.student_id JOIN users u ON u.id = s.account_id
        WHERE b.created_at < u.created_at""",
    "instructors teach somewhere on the day of each lesson": """
        SELECT b.id FROM bookings b WHERE NOT EXISTS (
            SELECT FROM instructor_regions r
            WHERE r.instructor_id = b.instructor_id
              AND r.served @> (b.starts_at AT TIME ZONE 'Europe/Lisbon')::date)""",
    "the history of a booking ends in its status": """
        SELECT b.id FROM bookings b LEFT JOIN LATERAL (
            SELECT to_status FROM booking_status_history WHERE booking_id = b.id ORDER BY step DESC LIMIT 1
        ) h ON true
        WHERE coalesce(h.to_status, 'pending') <> b.status""",
    "each step of a history begins where the step before ended, and later": """
        SELECT h.booking_id FROM booking_status_history h JOIN bookings b ON b.id = h.booking_id
        LEFT JOIN booking_status_history p ON p.booking_id = h.booking_id AND p.step = h.step - 1
        WHERE h.from_status <> coalesce(p.to_status, 'pending')
           OR h.changed_at <= coalesce(p.changed_at, b.created_at)""",
    "only lessons that took place are reviewed, and afterwards": """
        SELECT r.booking_id FROM reviews r JOIN bookings b ON b.id = r.booking_id
        WHERE b.status <> 'completed' OR r.written_at <= b.ends_at""",
    "nothing happens after the morning on which the sample ends": """
        SELECT 'booking' FROM bookings WHERE created_at > '2026-09-14 05:30+00'
            OR (status IN ('completed', 'no_show') AND ends_at > '2026-09-14 05:30+00')
        UNION ALL SELECT 'message' FROM messages WHERE greatest(sent_at, read_at) > '2026-09-14 05:30+00'
        UNION ALL SELECT 'review' FROM reviews WHERE written_at > '2026-09-14 05:30+00'
        UNION ALL SELECT 'change' FROM booking_status_history WHERE changed_at > '2026-09-14 05:30+00'""",
    "messages about a booking are between its account, its instructor and the house": """
        SELECT m.id FROM messages m JOIN bookings b ON b.id = m.booking_id
        JOIN students s ON s.id = b.student_id JOIN instructors i ON i.id = b.instructor_id
        WHERE NOT ARRAY[m.sender_id, m.recipient_id] <@ ARRAY[s.account_id, i.user_id, 1]""",
    "every address is one that can belong to nobody": (
        r"SELECT id FROM users WHERE email !~ '@example\.(com|org)$' OR phone !~ '^555-01\d\d$'"
    ),
}

# The least that a booking needs, in the schema before names were split.
BOOKED_ONCE = """
INSERT INTO users (id, email, full_name) VALUES (1, 'a@example.com', 'A'), (2, 'b@example.com', 'B');
INSERT INTO categories (id, slug, name) VALUES (1, 'music', 'Music');
INSERT INTO catalogue_services (id, category_id, slug, name, levels, usual_minutes)
VALUES (1, 1, 'piano', 'Piano', '{beginner}', 45);
INSERT INTO instructors (id, user_id, headline) VALUES (1, 1, 'Piano');
INSERT INTO services (id, instructor_id, catalogue_service_id, minutes, price_cents) VALUES (1, 1, 1, 45, 4000);
INSERT INTO students (id, account_id, first_name, relation) VALUES (1, 2, 'B', 'self');
INSERT INTO bookings (student_id, instructor_id, service_id, starts_at, ends_at, price_cents, created_at)
VALUES (1, 1, 1, '2026-05-05 14:00+00', '2026-05-05 14:45+00', 4000, '2026-05-01 09:00+00');
"""
