"""tools/run_readme.py, run as a program on small documents."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parent.parent / "tools" / "run_readme.py"


def run(tmp_path: Path, text: str) -> tuple[int, str]:
    document = tmp_path / "doc.md"
    document.write_text(text)
    process = subprocess.run(
        [sys.executable, str(TOOL), str(document)], capture_output=True, text=True
    )
    assert process.stderr == ""
    return process.returncode, process.stdout


def statuses(report: str) -> list[list[str]]:
    """Return place, language and status of every line of the report."""
    return [line.split()[:3] for line in report.splitlines() if line.startswith("doc.md:")]


def test_python_blocks_share_one_process_and_the_shell_blocks_their_folder(tmp_path):
    code, report = run(
        tmp_path,
        """# Title
```python
from pathlib import Path
x = 1
```

```bash
echo hello > made-by-bash
```

- in a list:

  ```python
  assert x == 1
  print(Path("made-by-bash").read_text())
  ```
<!-- output -->
```text
hello
```
""",
    )
    assert code == 0, report
    assert statuses(report) == [
        ["doc.md:2", "python", "ok"],
        ["doc.md:7", "bash", "ok"],
        ["doc.md:13", "python", "ok"],
        ["doc.md:18", "text", "ok"],
    ]


def test_functions_of_a_block_can_be_pickled(tmp_path):
    text = "```python\ndef f(): return 3\n```\n"
    text += "```python\nimport pickle\nassert pickle.loads(pickle.dumps(f))() == 3\n```\n"
    assert run(tmp_path, text)[0] == 0


def test_the_first_failure_ends_it_and_shows_block_output_and_line(tmp_path):
    code, report = run(
        tmp_path,
        "intro\n\n```python\nprint('before')\n1 / 0\n```\n\n```bash\ntouch reached\n```\n",
    )
    assert code == 1
    assert statuses(report) == [["doc.md:3", "python", "failed"]]
    assert "    1 / 0" in report
    assert "before\n" in report
    assert 'doc.md", line 5, in <module>' in report
    assert "ZeroDivisionError" in report


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("```bash\necho printed\nfalse\necho never\n```", "printed\nexit status 1"),
        ("```sh\necho why >&2\nexit 3\n```", "why\nexit status 3"),
        ("```console\n$ false\n```", "exit status 1"),
        ("```python\nimport sys; sys.exit(2)\n```", "SystemExit: 2"),
        ("```python\nif:\n```", "SyntaxError"),
        ("```bash\nfalse", "exit status 1"),  # never closed: it goes on to the end
    ],
)
def test_a_failing_block_fails(tmp_path, block, message):
    code, report = run(tmp_path, block + "\n")
    assert code == 1
    assert message in report
    assert "never" not in report.split("exit status")[-1]


def test_blocks_not_run_and_other_languages_are_left_out(tmp_path):
    code, report = run(
        tmp_path,
        """<!-- not run: needs a network -->
```bash
false
```
```lua
error()
```
<!-- not compared: it is a letter -->
```text
anything
```
```
anything
```
<!--
```bash
false
```
-->
""",
    )
    assert code == 0, report
    assert statuses(report) == [["doc.md:2", "bash", "not"]]
    assert "needs a network" in report


def test_a_comment_counts_only_right_before_its_block(tmp_path):
    text = "<!-- not run: for the block here -->\n\nprose\n\n```bash\nfalse\n```\n"
    assert run(tmp_path, text)[0] == 1


def test_a_substitute_runs_instead_and_is_shown(tmp_path):
    code, report = run(
        tmp_path,
        """<!-- run as: echo few > steps -->

```bash
echo many > steps
make demo
```

```bash
cat steps
```

<!-- output -->
```text
few
```
<!-- run as: steps = 2 -->
```python
steps = 2000000
```
```python
assert steps == 2
```
""",
    )
    assert code == 0, report
    assert statuses(report)[0] == ["doc.md:3", "bash", "substituted"]
    assert "echo few > steps" in report
    assert statuses(report)[3] == ["doc.md:17", "python", "substituted"]


@pytest.mark.parametrize("command", ["make demo", "cd there && make  test", "make check"])
def test_make_needs_a_substitute(tmp_path, command):
    code, report = run(tmp_path, f"```bash\n{command}\n```\n")
    assert code == 1
    assert "run as" in report


def test_console_blocks_run_only_what_follows_a_dollar(tmp_path):
    code, report = run(
        tmp_path,
        """```console
$ echo one \\
    two > file
this is output, not a command
$ cat file
one two
```
<!-- output -->
```text
one two
```
""",
    )
    assert code == 0, report


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("loss 1.25\nsecond    line", 0),
        ("loss ...\nsecond line", 0),
        ("loss 1.26\nsecond line", 1),
        ("loss 1.25", 1),
    ],
)
def test_output_is_compared(tmp_path, said, code):
    text = "```python\nimport sys\nprint('loss 1.25')\nprint('second line')\n"
    text += "print('a warning', file=sys.stderr)\n```\n"
    text += f"It prints\n<!-- output -->\n```text\n{said}\n```\n"
    result, report = run(tmp_path, text)
    assert result == code, report
    assert ("the block before it printed" in report) == bool(code)


@pytest.mark.parametrize(
    "after",
    [
        "",
        "```text\nprinted\n```\n",
        "```bash\ntrue\n```\n<!-- output -->\n```text\nprinted\n```\n",
    ],
)
def test_python_that_prints_must_show_its_output(tmp_path, after):
    code, report = run(tmp_path, f"```python\nprint('printed')\n```\n{after}")
    assert code == 1
    assert statuses(report) == [["doc.md:1", "python", "failed"]]
    assert "<!-- output -->" in report


@pytest.mark.parametrize("language", ["python", "bash", "console"])
def test_what_a_block_prints_is_shown_or_excused(tmp_path, language):
    code = {"python": "print('printed')", "bash": "echo printed", "console": "$ echo printed"}
    block = f"```{language}\n{code[language]}\n```\n"
    result, report = run(tmp_path, block)
    assert result == 1
    assert "it prints this" in report
    assert run(tmp_path, f"<!-- printed: a log -->\n{block}")[0] == 0
    assert run(tmp_path, f"{block}<!-- output -->\n```text\nprinted\n```\n")[0] == 0


def test_text_that_nothing_prints_is_an_output_or_excused(tmp_path):
    text = "```text\nwritten by hand\n```\n"
    result, report = run(tmp_path, text)
    assert result == 1
    assert "nothing here prints this" in report
    assert run(tmp_path, f"<!-- not compared: a format -->\n{text}")[0] == 0


def test_output_without_a_block_before_it_fails(tmp_path):
    assert run(tmp_path, "<!-- output -->\n```text\nlost\n```\n")[0] == 1


def test_the_projects_folder_and_environment_can_be_used(tmp_path):
    text = '```bash\ntest -f "$PROJECT/tools/run_readme.py"\n'
    text += f'test "$(dirname "$(command -v python)")" = "{Path(sys.executable).parent}"\n```\n'
    code, report = run(tmp_path, text)
    assert code == 0, report
