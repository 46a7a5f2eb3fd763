"""The account of a run."""

from pathlib import Path

import pytest

from vidskim.pipeline.ledger import ExtractReport
from vidskim.pipeline.stages import StageTimes


def test_a_report_whose_counts_do_not_add_up_cannot_be_made(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"1 done \+ 1 failed \+ 1 skipped != 4"):
        ExtractReport(tmp_path, "", 4, 1, 1, 1, 0, 0, 0, (), StageTimes())
