"""What a plugin replaces of Callgate while it is loaded is named and put back."""

import time

import policies
from policies import contract
from policies.host.replaced_parts import list_parts, put_back
from service.access.policies.chain import AccessChain


def test_replaced_functions_and_methods_are_put_back() -> None:
    deny, decide, monotonic = policies.deny, AccessChain.decide, time.monotonic
    parts = list_parts()
    try:
        policies.deny = contract.deny = policies.allow
        AccessChain.decide = None  # type: ignore[method-assign, assignment]
        time.monotonic = lambda: 0.0
        policies.added = 1  # type: ignore[attr-defined]
    finally:
        replaced = put_back(parts)
        del policies.added  # type: ignore[attr-defined]
    assert (policies.deny, contract.deny) == (deny, deny)
    assert (AccessChain.decide, time.monotonic) == (decide, monotonic)
    assert set(replaced) == {
        "policies.deny",
        "policies.contract.deny",
        "service.access.policies.chain.AccessChain.decide",
        "time.monotonic",
    }
    assert put_back(list_parts()) == []
