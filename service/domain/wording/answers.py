"""Why allowed calls of a number are not answered, in sentences. Pure."""


def describe_unanswered(unanswered: str | None) -> str:
    """The problem and its remedy; "" for a number whose allowed calls are answered."""
    if unanswered is None:
        return ""
    if unanswered == "nothing":
        return (
            "Nothing answers allowed calls: no assistant, squad or workflow is attached at Vapi. Edit "
            "the number's answer, attach one at Vapi, or set the organization's forward URL."
        )
    return (
        f"Nothing answers allowed calls: Vapi does not have the {unanswered}. Edit the number's answer, "
        "or attach another one at Vapi; then sync the number."
    )
