#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""usage: strace_predict.py LOG PREDICTION [--blind]

Reads what `strace -f -n -s 0 -e quiet=path-resolution -o LOG` has written and writes, for each
executable, the lookahead pairs that ebph must have learned from the same run:

    exe PATH
    word CURRENT EARLIER REQUIRED ALLOWED

with call ids, and masks of distances (bit d-1: distance d). REQUIRED must be there, and nothing
that is not ALLOWED. They differ only where strace cannot know: see Call.may_be_unseen().

Written from strace's manual and signal(7): it shares no code with the enforcer.

--blind: the kernel does not let ebph see threads that repeat a call for a signal which another
thread has taken (struct support in enforcer/rung.h).
"""
import re
import sys

WINDOW = 9
IA32, X32, INVALID, HANDLER = 512, 1024, 1025, 2046
FORKS = {'fork', 'vfork', 'clone', 'clone3'}
EXECS = {'execve', 'execveat'}
EXITS = {'exit', 'exit_group'}
SIGRETURNS = {'rt_sigreturn', 'sigreturn'}
SIGACTIONS = {'rt_sigaction', 'sigaction', 'signal'}
# tests/progs/jumper.c says by this option of prctl() how many handlers it leaves by siglongjmp(),
# for the handlers that it interrupted and goes back to: their end would be taken for the others'.
JUMP = 'prctl(0x65627068'

LINE = re.compile(r'(\d+) +\[ *(\?+|-?\d+)\] (.*)')
MODE = re.compile(r'\[ Process PID=\d+ runs in (.*) mode\. \]')
RESUMED = re.compile(r'<\.\.\. (\S+) resumed>')
CALL = re.compile(r'(\w+)\(')
RESULT = re.compile(r'\) += (\?(?: ERESTART\w+)?|-?\w+)')
SIGNAL = re.compile(r'--- (SIG\w+) \{')
SUPERSEDED = re.compile(r'\+\+\+ superseded by execve in pid (\d+) \+\+\+')
SIGACTION = re.compile(r'\w+\((SIG\w+), (\{sa_handler=)?(SIG_DFL|SIG_IGN|0x[0-9a-f]+)')


class Surprise(Exception):
    """A line of the log that cannot be, as far as we know."""


class Call:
    """A system call that a thread has entered; its text grows until it has returned."""

    def __init__(self, number, text, mode, process_dying):
        self.name = CALL.match(text)[1]
        self.text = text
        self.id = call_id(number, mode)
        self.process_dying = process_dying
        self.is_new = True
        self.result = None
        self.child = None

    def may_be_unseen(self):
        """A thread that is killed while strace holds it before a call never makes that call.

        It looks as one killed within the call. Only exit looks so by nature.
        """
        return self.result in (None, '?') and (self.name not in EXITS or self.process_dying)


class Process:
    """What threads share: executable and signal handlers."""

    def __init__(self, exe, handlers):
        self.exe = exe
        self.handlers = handlers  # name of signal: set of flags
        self.dying = False


class Thread:
    def __init__(self, process, mode):
        self.process = process
        self.mode = mode
        self.window = []   # calls before the current one, the newest first
        self.frames = []   # of interrupted code: its window, and will its last call be made again?
        self.call = None
        self.interrupted = None  # ERESTART...: by what the last call was interrupted
        self.signalled = False   # since then a signal was delivered


def call_id(number, mode):
    number = 0xffffffff if '?' in number else int(number) & 0xffffffff
    if number < 512:
        return number + (IA32 if mode == '32 bit' else 0)
    if mode != '32 bit' and number != 0xffffffff and number & 0x40000000:
        return X32
    return INVALID


def interpreter(path):
    """Of a script: the program that runs it. Of a program: itself."""
    with open(path, 'rb') as file:
        line = file.readline(256)
    if not line.startswith(b'#!'):
        return path
    return interpreter(line[2:].split()[0].decode())


def children(lines):
    """For each line in which a call is entered that returns a new thread: the thread's id."""
    entered, found = {}, {}
    for number, (tid, _, text) in enumerate(lines):
        match = CALL.match(text)
        if match:
            entered[tid] = number, match[1]
        elif not RESUMED.match(text):
            continue
        result = RESULT.search(text)
        if result and tid in entered and entered[tid][1] in FORKS and result[1].isdigit():
            found[entered[tid][0]] = int(result[1])
    return found


class Prediction:
    def __init__(self, blind):
        self.blind = blind
        self.threads = {}
        self.words = {}  # executable: {(current, earlier): [required mask, allowed mask]}

    def learn(self, thread, current, required):
        words = self.words.setdefault(thread.process.exe, {})
        for distance, earlier in enumerate(thread.window[:WINDOW - 1]):
            masks = words.setdefault((current, earlier), [0, 0])
            if required:
                masks[0] |= 1 << distance
            masks[1] |= 1 << distance

    def finish(self, thread):
        """The last call of a thread is over: what it taught is known only now."""
        call, thread.call = thread.call, None
        if not call:
            return
        if call.is_new and thread.process.exe:
            self.learn(thread, call.id, not call.may_be_unseen())
        if call.is_new:
            thread.window = [call.id] + thread.window[:WINDOW - 2]

    def is_repeated(self, thread, call):
        """Does the kernel make the interrupted call again?"""
        again = thread.interrupted not in (None, 'ERESTART_RESTARTBLOCK') and \
            (thread.signalled or not self.blind)
        thread.interrupted, thread.signalled = None, False
        return again and thread.window[:1] == [call.id]

    def enter(self, tid, thread, call, child):
        self.finish(thread)
        if call.name == 'restart_syscall' or self.is_repeated(thread, call):
            call.is_new = False
        if call.name == 'exit_group':
            thread.process.dying = True
        thread.call = call
        if child:
            self.fork(thread, call, child)

    def fork(self, thread, call, child):
        """The child goes on where its parent stands within the call."""
        call.result = str(child)
        self.finish(thread)
        thread.call = call
        call.is_new = False
        process = thread.process
        if 'CLONE_THREAD' not in call.text:
            # No program here shares handlers between processes (CLONE_SIGHAND).
            process = Process(process.exe, {} if 'CLEAR_SIGHAND' in call.text
                              else dict(process.handlers))
        new = self.threads[child] = Thread(process, thread.mode)
        new.window = list(thread.window)
        new.frames = [(list(window), again) for window, again in thread.frames]

    def leave(self, thread):
        call = thread.call
        result = RESULT.search(call.text)
        if not result:
            return  # exit(...) of a thread that is killed at it
        call.result = result[1]
        if call.result.startswith('? ERESTART'):
            thread.interrupted, thread.signalled = call.result[2:], False
        elif call.name in EXECS and call.result == '0':
            self.exec(thread)
        elif call.name in SIGACTIONS and not call.result.startswith('-'):
            self.sigaction(thread)
        elif call.name in SIGRETURNS and thread.frames:
            self.finish(thread)
            thread.window, again = thread.frames.pop()
            thread.interrupted, thread.signalled = again, True
        elif call.text.startswith(JUMP):
            count = int(call.text.split(', ')[1], 0)
            del thread.frames[len(thread.frames) - count:]

    def exec(self, thread):
        path = re.match(r'\w+\("([^"]*)"', thread.call.text)[1]
        if not path.startswith('/'):
            raise Surprise('not an absolute path: ' + path)
        self.finish(thread)
        # Handlers are gone; what was ignored stays so, which makes no difference here.
        thread.process = Process(interpreter(path), {})
        thread.window, thread.frames = [], []

    @staticmethod
    def sigaction(thread):
        match = SIGACTION.match(thread.call.text)
        if not match:
            return  # only asked
        signal, struct, handler = match.groups()
        if handler in ('SIG_DFL', 'SIG_IGN'):
            thread.process.handlers.pop(signal, None)
        elif struct:
            flags = re.search(r'sa_flags=([\w|]+)', thread.call.text)[1]
            thread.process.handlers[signal] = set(flags.split('|'))
        else:
            thread.process.handlers[signal] = {'SA_RESETHAND'}

    @staticmethod
    def deliver(thread, signal):
        flags = thread.process.handlers.get(signal)
        thread.signalled = True
        if flags is None:
            return  # nothing happens, or the process stops or dies
        if 'SA_RESETHAND' in flags:
            del thread.process.handlers[signal]
        again = thread.interrupted
        if again == 'ERESTARTSYS' and 'SA_RESTART' not in flags or \
                again in ('ERESTARTNOHAND', 'ERESTART_RESTARTBLOCK'):
            again = None
        # A handler may wait for its turn behind another one: what is made again once is certain.
        thread.frames.append((thread.window, again and 'ERESTARTNOINTR'))
        thread.window, thread.interrupted = [HANDLER], None

    def take(self, tid, number, text, child):
        thread = self.threads.get(tid)
        if not thread:
            if self.threads or not text.startswith('execve('):
                raise Surprise('a thread that nobody has made')
            thread = self.threads[tid] = Thread(Process(None, {}), '64 bit')
        if MODE.match(text):
            thread.mode = MODE.match(text)[1]
        elif text.startswith('--- '):
            self.finish(thread)
            if SIGNAL.match(text):
                self.deliver(thread, SIGNAL.match(text)[1])
        elif text.startswith('+++ '):
            self.finish(thread)
            del self.threads[tid]
            if SUPERSEDED.match(text):
                # The other thread goes on under this one's id.
                self.threads[tid] = self.threads.pop(int(SUPERSEDED.match(text)[1]))
        elif text.startswith('???('):
            self.finish(thread)  # killed before strace could ask which call it was
        elif text.startswith('<... ??? '):
            pass  # that one, or the last call again
        else:
            if RESUMED.match(text):
                thread.call.text += text
            else:
                call = Call(number, text, thread.mode, thread.process.dying)
                self.enter(tid, thread, call, child)
            self.leave(thread)

    def read(self, path):
        lines = []
        with open(path, encoding='utf-8', errors='replace') as log:
            for text in log:
                match = LINE.match(text)
                if not match:
                    raise Surprise('a line of another form: ' + text)
                lines.append((int(match[1]), match[2], match[3]))
        child = children(lines)
        for i, (tid, number, text) in enumerate(lines):
            try:
                self.take(tid, number, text, child.get(i))
            except (Surprise, AttributeError, TypeError, KeyError) as error:
                raise Surprise(f'{path}:{i + 1}: {error!r}: {text}') from error
        if self.threads:
            raise Surprise(f'{path}: the log ends before {list(self.threads)}')


def main(log, path, *options):
    prediction = Prediction('--blind' in options)
    prediction.read(log)
    with open(path, 'w', encoding='utf-8') as file:
        for exe, words in prediction.words.items():
            print('exe', exe, file=file)
            for (current, earlier), (required, allowed) in words.items():
                print('word', current, earlier, required, allowed, file=file)


try:
    main(*sys.argv[1:])
except (Surprise, OSError) as surprise:
    sys.exit(f'strace_predict.py: {surprise}')
