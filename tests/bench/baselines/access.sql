SELECT o.id, o.blocked_message,
    coalesce(v.effect = 'allow',
        (p.status IN ('active', 'trialing')
            AND (p.current_period_end IS NULL OR p.current_period_end > now()))
        OR (t.starts_at <= now() AND t.ends_at > now()), false) AS allowed
FROM callgate.phone_numbers n
JOIN callgate.organizations o ON o.id = n.organization_id
LEFT JOIN callgate.plans p ON p.organization_id = o.id
LEFT JOIN callgate.trials t ON t.organization_id = o.id
LEFT JOIN callgate.overrides v ON v.organization_id = o.id
WHERE n.vapi_phone_number_id = $1 AND n.released_at IS NULL
