"""What crosses the border between the grader and a submission.

Answers come out as plain data, so nothing that a submission sends can act in the grader's process.
Functions stay where they were made: the other side gets a number and may ask for a call. The grader
is trusted, so what it sends may also be a whole object, such as a module with its weights.
"""

import base64
import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from decimal import Decimal
from fractions import Fraction
from multiprocessing.connection import Connection
from types import FunctionType
from typing import Any

import cloudpickle
import numpy as np
import torch

MESSAGE_BYTES = 16 * 2**20  # that a submission may send at once
TEXT = 2000  # characters of an error message that are passed on
DTYPES = {str(d): d for d in vars(torch).values() if isinstance(d, torch.dtype)}


class Stopped(Exception):
    """The other side is gone."""


class AnswerError(Exception):
    """The other side's function raised this."""


class Foreign:
    """Stands for a value that is not plain data and stayed behind."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __repr__(self) -> str:
        return f"<an object of type {self.kind}>"


def check_size(size: int) -> None:
    """Raise ValueError where the grader would not take so many bytes."""
    if size > MESSAGE_BYTES:
        raise ValueError(f"an answer of {size / 2**20:.0f} MB is too large to be graded")


def described(error: BaseException) -> str:
    """The kind of an error and what it says, even if it is one that fails to say it."""
    try:
        return f"{type(error).__name__}: {error}"[:TEXT]
    except BaseException:
        return "an error whose message cannot be shown"


def pack(value: Any, functions: list[Any], *, whole: bool = False) -> Any:
    """A value as JSON can hold it; functions are added to the list and sent as their place in it.

    With `whole`, an object that is not plain data is sent pickled, otherwise only its type is.
    """

    def inner(values: Any) -> list[Any]:
        return [pack(v, functions, whole=whole) for v in values]

    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Fraction | Decimal):
        value = float(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if value is ...:
        return ["ellipsis"]
    if isinstance(value, torch.Tensor) and type(value) in (torch.Tensor, torch.nn.Parameter):
        if not whole:
            check_size(value.nbytes)
        flat = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        data = base64.b64encode(flat.tobytes()).decode()
        return ["tensor", str(value.dtype), list(value.shape), data]
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return ["array", pack(torch.from_numpy(np.ascontiguousarray(value)), [], whole=whole)]
    if isinstance(value, list | tuple):
        return ["list" if isinstance(value, list) else "tuple", inner(value)]
    if isinstance(value, dict):
        return ["dict", inner(value.items())]
    if isinstance(value, FunctionType) or (callable(value) and not whole):
        functions.append(value)
        return ["function", len(functions) - 1, getattr(value, "__name__", "the function")]
    if whole:
        return ["object", base64.b64encode(cloudpickle.dumps(value)).decode()]
    return ["foreign", type(value).__name__]


def unpack(data: Any, function: Callable[[int, str], Any], *, whole: bool = False) -> Any:
    """The inverse of `pack`; `function` makes what stands for a function of the other side.

    Only a side that trusts the other may ask for `whole` objects.

    Raises:
        ValueError: if the data are not what `pack` makes.
    """

    def inner(values: list[Any]) -> list[Any]:
        return [unpack(v, function, whole=whole) for v in values]

    if not isinstance(data, list):
        return data
    match data:
        case ["ellipsis"]:
            return ...
        case ["tensor", dtype, list(shape), str(content)] if dtype in DTYPES:
            raw = torch.tensor(bytearray(base64.b64decode(content)), dtype=torch.uint8)
            try:
                return raw.view(DTYPES[dtype]).reshape(shape)
            except (RuntimeError, TypeError, OverflowError) as error:
                raise ValueError("a tensor's shape does not fit its data") from error
        case ["array", tensor]:
            return unpack(tensor, function).numpy()
        case ["list", list(values)]:
            return inner(values)
        case ["tuple", list(values)]:
            return tuple(inner(values))
        case ["dict", list(items)]:
            return dict(inner(items))
        case ["function", int(number), str(name)]:
            return function(number, name[:80])
        case ["foreign", str(kind)]:
            return Foreign(kind[:80])
        case ["object", str(content)] if whole:
            return cloudpickle.loads(base64.b64decode(content))
    raise ValueError("the submission's process sent something that is not an answer")


class Peer:
    """One end of the border: calls functions of the other side, and answers its calls.

    Args:
        connection: to the other side.
        functions: that the other side may call by their numbers from the start.
        trusting: whether the other side may send whole objects. The grader does not.
        around: makes a context for every call of a function, such as a limit of its time.
    """

    def __init__(
        self,
        connection: Connection,
        functions: list[Any],
        *,
        trusting: bool,
        around: Callable[[Any], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        self.connection = connection
        self.functions = list(functions)
        self.trusting = trusting
        self.around = around
        self.waiting = False  # between a call and its result, when no signal may raise
        self.overdue: BaseException | None = None  # what it raises afterwards

    def call(self, number: int, *args: Any, **kwargs: Any) -> Any:
        """Call a function of the other side.

        Raises:
            AnswerError: if the function raises.
            Stopped: if the other side is gone.
        """
        message = self._encode(["call", number, self._pack(args), self._pack(kwargs)])
        self.waiting = True
        try:
            return self._result(message)
        finally:
            self.waiting = False
            error, self.overdue = self.overdue, None
            if error:
                raise error

    def _result(self, call: bytes) -> Any:
        self._send(call)
        while True:
            try:
                message = json.loads(self.connection.recv_bytes(MESSAGE_BYTES))
            except (EOFError, OSError) as error:
                raise Stopped("its process ended") from error
            match message:
                case ["call", int(), _, _]:
                    self.waiting = False
                    self._answer(message)
                    self.waiting = True
                case ["value", value]:
                    return unpack(value, self._function, whole=self.trusting)
                case ["error", str(text)]:
                    raise AnswerError(text[:TEXT])
                case _:
                    raise ValueError("the submission's process sent something that is no message")

    def serve(self) -> None:
        """Answer calls until the other side hangs up."""
        while True:
            try:
                message = json.loads(self.connection.recv_bytes())
            except (EOFError, OSError):
                return
            self._answer(message)

    def _answer(self, message: list[Any]) -> None:
        try:
            _, number, args, kwargs = message
            with self.around(self.functions[number]):
                args = unpack(args, self._function, whole=self.trusting)
                kwargs = unpack(kwargs, self._function, whole=self.trusting)
                value = self.functions[number](*args, **kwargs)
                reply = self._encode(["value", self._pack(value)])
        except Stopped:
            raise
        except BaseException as error:  # whatever an answer does, even exit, is its own affair
            reply = self._encode(["error", described(error)])
        self._send(reply)

    def _encode(self, message: list[Any]) -> bytes:
        data = json.dumps(message).encode()
        if self.trusting:
            check_size(len(data))
        return data

    def _send(self, message: bytes) -> None:
        try:
            self.connection.send_bytes(message)
        except OSError as error:
            raise Stopped("its process ended") from error

    def _pack(self, value: Any) -> Any:
        return pack(value, self.functions, whole=not self.trusting)

    def _function(self, number: int, name: str) -> Callable[..., Any]:
        def remote(*args: Any, **kwargs: Any) -> Any:
            return self.call(number, *args, **kwargs)

        remote.__name__ = name
        return remote
