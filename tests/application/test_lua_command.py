"""`zaremba lua`: the process of the program, its limits, its streams, its exit status."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("lupa")

from zaremba_port.cli.main import main


def zaremba(*arguments: object, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "zaremba_port", "lua", *map(str, arguments)],
        input=text,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def program(folder: Path, text: str) -> Path:
    path = folder / "program.lua"
    path.write_text(text)
    return path


def test_a_program_asks_computes_and_may_not_leave_its_folder(tmp_path: Path) -> None:
    path = program(
        tmp_path,
        """
        require 'nngraph'
        local network = nn.Sequential():add(nn.Linear(2, 1))
        network:get(1).weight:fill(1)
        network:get(1).bias:zero()
        while true do
          io.write('> ')
          io.flush()
          local line = io.read('*line')
          if not line then break end
          local a, b = line:match('(%S+) (%S+)')
          print(network:forward(torch.Tensor{tonumber(a), tonumber(b)})[1])
        end
        for _, f in ipairs {
          function() return io.open('/etc/passwd') end,
          function() return io.open('notes.txt', 'w') end,
          function() return torch.save('net.t7', network) end,
          function() return require('pl.file').read('/etc/passwd') end,
          function() return os.execute('true') end,
          function() return io.popen('true') end,
          function() return require 'ffi' end,
          function() return loadstring('\\27Lua') end,
        } do
          local success, problem = pcall(f)
          assert(not success and type(problem) == 'string', tostring(problem))
        end
        assert(debug == nil and python == nil and package.loadlib == nil)
        print(#arg, arg[1], require('pl.file').read('program.lua') ~= nil)
        os.exit(7)
        """,
    )
    result = zaremba("--out", tmp_path / "out", path, "-size", "3", text="1 2\n4 0.5\n")
    assert result.stdout == "> 3\n> 4.5\n> 2\t-size\ttrue\n", result.stderr
    assert result.returncode == 7
    assert not (tmp_path / "notes.txt").exists()


def test_an_error_names_lines_of_lua_the_node_and_the_nearest_function(tmp_path: Path) -> None:
    path = program(
        tmp_path,
        "require 'nngraph'\n"
        "local x = nn.Identity()()\n"
        "local y = nn.Linear(3, 4)(x)\n"
        "local g = nn.gModule({x}, {y})\n"
        "local function step() g:forward(torch.ones(2, 5)) end\n"
        "print(select(2, pcall(step)):match('^program.lua:5') ~= nil)\n"
        "print(pcall(function() return nn.Linaer(2, 3) end))\n"
        "step()\n"
        "print('never')\n",
    )
    result = zaremba(path)
    assert result.returncode == 1
    assert result.stdout.splitlines()[0] == "true"
    error = result.stderr
    assert "zaremba lua: program.lua:5: nn.Linear(3 -> 4)" in error
    assert f"declared at {path}:3>" in error
    assert "\tprogram.lua:8: in main chunk" in error
    assert "Traceback" not in error
    path.write_text("require 'nn'\nlocal m = nn.Linaer(2, 3)\n")
    assert "; the nearest that exists is 'Linear'" in zaremba(path).stderr


def test_limits_of_memory_and_time(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = program(tmp_path, "local t = {}\nwhile true do t[#t + 1] = torch.zeros(1000, 1000) end")
    result = zaremba("--memory", 300, path)
    assert result.returncode == 1
    assert "needs more than 300 MiB of memory: raise the limit with --memory" in result.stderr
    path.write_text("while true do end")
    assert main(["lua", "--time", "-1", str(path)]) == 2
    assert "--time is -1, it must be above 0" in capfd.readouterr().err
    assert main(["lua", "--time", "1.5", str(path)]) == 2
    assert "ran longer than 1.5 s: raise the limit with --time" in capfd.readouterr().err


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_an_interrupt_passes_through_pcall(tmp_path: Path) -> None:
    path = program(
        tmp_path,
        "print('ready') io.flush()\n"
        "while true do pcall(function() while true do torch.zeros(10):sum() end end) end\n",
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "zaremba_port", "lua", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell starts what runs in the background with SIGINT ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "zaremba: interrupted" in error
    assert "Traceback" not in error


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not end a child")
def test_a_killed_command_leaves_no_program_behind(tmp_path: Path) -> None:
    path = program(tmp_path, "print('ready') io.flush() while true do end\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "zaremba_port", "lua", str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.kill()
    assert process.stdout.read() == ""  # it ends when the program, which has it too, has ended
    process.wait()


def test_bad_arguments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lua", str(tmp_path / "none.lua")]) == 2
    assert "there is no Lua program" in capsys.readouterr().err
    path = program(tmp_path, "")
    assert main(["lua", "--memory", "0", str(path)]) == 2
    assert "at least 1 MiB" in capsys.readouterr().err


def test_without_lupa_one_line_names_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name, package=None: None)
    assert main(["lua", str(program(tmp_path, ""))]) == 2
    assert "pip install 'zaremba-port[lua]'" in capsys.readouterr().err
