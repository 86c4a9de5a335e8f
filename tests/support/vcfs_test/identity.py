"""Running a function as another user, in a child process, and bringing its result or error back."""
import os
import pickle
import traceback


class ChildFailed(AssertionError):
    pass


def as_user(uid, function, *args, gid=None, groups=()):
    """function(*args) with the given ids and no capabilities; OSErrors are raised here as they were there."""
    return in_child(_switch_and_call, uid, gid if gid is not None else uid, groups, function, args)


def in_child(function, *args):
    """function(*args) in a forked child; its (picklable) value or OSError comes back."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read_end)
        _run_child(write_end, function, args)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as f:
        data = f.read()
    os.waitpid(pid, 0)
    if not data:
        raise ChildFailed("the child died")
    kind, value = pickle.loads(data)
    if kind == "value":
        return value
    if kind == "errno":
        raise OSError(value, os.strerror(value))
    raise ChildFailed(value)


def _switch_and_call(uid, gid, groups, function, args):
    os.setgroups(list(groups))
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    return function(*args)


def _run_child(write_end, function, args):
    import signal
    signal.alarm(60)
    try:
        answer = ("value", function(*args))
    except OSError as e:
        answer = ("errno", e.errno)
    except BaseException:  # noqa: BLE001 - carried to the parent
        answer = ("error", traceback.format_exc())
    try:
        os.write(write_end, pickle.dumps(answer))
    finally:
        os._exit(0)
