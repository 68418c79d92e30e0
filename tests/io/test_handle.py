"""Handles of processes: who opens, and who closes."""

import multiprocessing
import os

import pytest

from srlab.io.handle import ProcessHandle


class Opened:
    """The process that opened it, in the place of a file."""

    def __init__(self):
        self.process = os.getpid()
        self.closed_by = []

    def close(self):
        self.closed_by.append(os.getpid())


def test_a_file_is_opened_once_until_it_is_closed():
    handle = ProcessHandle(Opened, Opened.close)
    first = handle.file()
    assert handle.file() is first
    handle.close()
    handle.close()
    assert first.closed_by == [os.getpid()]
    assert handle.file() is not first


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_opens_its_own_file_and_leaves_its_parents_open():
    handle = ProcessHandle(Opened, Opened.close)
    inherited = handle.file()
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()

    def child():
        handle.close()
        answers.put((os.getpid(), inherited.closed_by, handle.file().process))

    forked = context.Process(target=child)
    forked.start()
    process, closed_by, opened_by = answers.get()
    forked.join()
    assert closed_by == []
    assert opened_by == process != os.getpid()
