"""Tables on the page and in Markdown."""

import re

from lightsweep.reporting.tables import Table


def test_numbers_stand_to_the_right_and_words_to_the_left_in_several_lines_if_they_are_long():
    reason = "RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB"
    numbers = ["3 of 3", "–", "< 0.0001", "(+1.0 ± 0.2)e-10", "−5", ""]
    table = Table(["setting", "n", "status", "reason"], [["a", cell, "failed", reason] for cell in numbers])
    cells = re.findall(r"<t[hd][^>]*>", table.html().partition("<tbody>")[2])[:4]
    assert cells == ['<th scope="row" class="words">', "<td>", '<td class="words">', '<td class="words long">']
    heads = re.findall(r'<th scope="col"[^>]*>', table.html())
    assert heads == [
        f'<th scope="col"{kind}>' for kind in (' class="words"', "", ' class="words"', ' class="words long"')
    ]
    assert table.markdown().splitlines()[1] == "| --- | ---: | --- | --- |"
