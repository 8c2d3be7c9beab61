"""Indexes for the lists of numbers and organizations: in each order, and for any part of their texts; and
for what few numbers have, which is counted every few seconds."""

from migrations.indexes import create_concurrently, drop_concurrently

revision = "0043b"
down_revision = "0043"
branch_labels = None
depends_on = None

# Without a list of pending entries, which every search would read until a VACUUM.
AT_ONCE = "WITH (fastupdate = off)"
INDEXES = {
    "phone_numbers_search_idx": "ON callgate.phone_numbers USING gin "
    f"(callgate.letter_pairs(label, number, vapi_phone_number_id)) {AT_ONCE}",
    "organizations_search_idx": "ON callgate.organizations USING gin "
    f"(callgate.letter_pairs(name, external_id)) {AT_ONCE}",
    "phone_numbers_label_idx": "ON callgate.phone_numbers "
    '((lower(coalesce(label, number, vapi_phone_number_id)) COLLATE "C"), id)',
    "phone_numbers_shown_idx": "ON callgate.phone_numbers "
    '((coalesce(number, vapi_phone_number_id) COLLATE "C"), id)',
    "organizations_order_idx": 'ON callgate.organizations ((lower(name) COLLATE "C"), id)',
    "phone_numbers_released_idx": "ON callgate.phone_numbers (id) WHERE released_at IS NOT NULL",
    "webhook_states_state_idx": "ON callgate.webhook_states (state, phone_number_id)",
    "webhook_states_paused_idx": "ON callgate.webhook_states (phone_number_id) "
    "WHERE paused_at IS NOT NULL",
    "webhook_states_problem_idx": "ON callgate.webhook_states (problem) WHERE problem IS NOT NULL",
    "webhook_states_hidden_idx": "ON callgate.webhook_states (phone_number_id) "
    "WHERE coalesce((original ->> 'hidden_secret')::boolean, false)",
}


def upgrade() -> None:
    for name, definition in INDEXES.items():
        create_concurrently(name, definition)


def downgrade() -> None:
    for name in INDEXES:
        drop_concurrently(name)
