"""Every error that a user of Himmel can meet, each with what to do about it.

Owns: the exception types. Knows nothing else of the project: standard library only.
A command line shows ``str(error)`` as one line and exits with ``error.exit_status``.
"""

from collections.abc import Mapping


class HimmelError(Exception):
    """Base of all errors that are the user's to solve; its text is one line that says what to do."""

    exit_status = 1


class BadRequest(HimmelError):
    """A value that cannot be used; the text names the allowed ones."""

    exit_status = 2


class UnknownModel(BadRequest):
    """A model name that is not installed."""

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(f"unknown model '{name}'; known: {', '.join(known)}")


class UnreadableMedia(BadRequest):
    """A picture or clip that cannot be decoded."""

    def __init__(self, path: object, why: str) -> None:
        super().__init__(f"cannot read '{path}': {why}")


class NoRecipe(BadRequest):
    """A clip that carries no recipe of ours."""

    def __init__(self, path: object) -> None:
        super().__init__(f"'{path}' carries no Himmel recipe: it was not made by Himmel, or its metadata was removed")


class TaskNotSupported(HimmelError):
    """What a model cannot do, although others may; ``task`` as in "edit clips"."""

    def __init__(self, model: str, task: str) -> None:
        super().__init__(f"the model '{model}' cannot {task} yet")


class BadRecipe(BadRequest):
    """A recipe that this version of Himmel cannot follow: damaged, or written by another version."""

    def __init__(self, path: object, why: str) -> None:
        super().__init__(f"cannot follow the recipe in '{path}': {why}; the Himmel that made it can")


class BadStoryboard(BadRequest):
    """A storyboard that cannot be followed; the text names the line, counted from one."""

    def __init__(self, path: object, line: int, why: str) -> None:
        super().__init__(f"{path} line {line}: {why}")
        self.line = line


class CannotWrite(HimmelError):
    """An output that could not be written; nothing half-written is left behind."""

    def __init__(self, path: object, why: str) -> None:
        super().__init__(f"cannot write '{path}': {why}; nothing was left behind")


class StreamBroken(HimmelError):
    """A clip that was written as it was made, and whose target takes no more; what it got plays."""

    def __init__(self, target: object, why: str) -> None:
        super().__init__(f"the stream to '{target}' ended early: {why}; what was written until then plays")


class Interrupted(HimmelError):
    """A stream that Ctrl-C ended."""

    exit_status = 130

    def __init__(self, target: object) -> None:
        super().__init__(f"cancelled; what was written to '{target}' until then plays")


class BadCheckpoint(HimmelError):
    """Weights that are damaged, of another version, or not ours."""

    def __init__(self, path: object, why: str) -> None:
        super().__init__(f"cannot load weights '{path}': {why}")


class MissingAsset(HimmelError):
    """Art of the training world that is not in the cache yet."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is not in the cache; run 'himmel world fetch' once")


class TokenRefused(HimmelError):
    """A worker whose token is not the server's."""

    def __init__(self) -> None:
        super().__init__("the server refuses this token; 'himmel keys worker' on its machine prints the right one")


class FetchFailed(HimmelError):
    """A download of art that failed, or whose checksum is not the pinned one."""


class DeviceUnavailable(BadRequest):
    """A device that this machine does not have."""

    def __init__(self, name: str, available: list[str]) -> None:
        super().__init__(f"device '{name}' is not available here; available: auto, {', '.join(available)}")


class ApiError(HimmelError):
    """An answer of the server that is no success; ``str`` is the message that the client reads."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        param: str | None = None,
        retry_after: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.headers = dict(headers or {}) | ({"retry-after": str(retry_after)} if retry_after else {})
        self.status, self.code, self.param, self.retry_after = status, code, param, retry_after

    @property
    def kind(self) -> str:
        """The Videos API's word for this class of errors."""
        kinds = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
        return kinds.get(self.status, "server_error" if self.status >= 500 else "invalid_request_error")


class NotSignedIn(HimmelError):
    """A page that shows something of an account's, asked for by nobody that is known."""

    def __init__(self) -> None:
        super().__init__("sign in first")


class NotConfirmed(HimmelError):
    """A change of what one signs in with, from a browser that did not show lately who sits there."""

    def __init__(self) -> None:
        super().__init__("confirm first that it is you")


class SignInRefused(HimmelError):
    """Who cannot be let in; the text says no more than is good to know."""


class ForeignForm(HimmelError):
    """A form that did not come from a page of ours, or from one of another session."""

    def __init__(self) -> None:
        super().__init__("this form did not come from a page of your session; load the page again and send it anew")
