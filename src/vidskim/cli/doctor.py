"""vidskim doctor: does everything work here, and if not, what to do."""

from dataclasses import asdict

from vidskim.cli.console import DONE, FAILED, JsonOption, Outcome, run_verb


def doctor(*, as_json: JsonOption = False) -> None:
    """Check this installation: versions, machine, decoders, and one real round trip.

    Each line says ok, warn or FAIL and what to do; the exit code is 1 if something needed fails.

    Examples:

      vidskim doctor

      vidskim doctor --json
    """
    run_verb(_doctor, as_json=as_json)


def _doctor() -> Outcome:
    from vidskim.cli.checks import FAIL, WARN, run_checks

    checks = list(run_checks())
    failed, warned = (sum(check.status == status for check in checks) for status in (FAIL, WARN))
    lines = []
    for check in checks:
        lines.append(f"{check.status:4}  {check.name:16}  {check.detail}")
        if check.remedy:
            lines.append(f"      {'':16}  -> {check.remedy}")
    lines.append(f"{failed} failed, {warned} warnings" if failed or warned else "all good")
    document = {
        "ok": not failed,
        "failed": failed,
        "warned": warned,
        "checks": [asdict(check) for check in checks],
    }
    return Outcome(document, lines, FAILED if failed else DONE)
