"""The answers of the Bot API, in Telegram's words."""

from dataclasses import dataclass, replace

from local.stand_ins.http_server import Answer
from local.stand_ins.script import AcceptThenReset, Hang, Proceed, Reset


@dataclass(frozen=True, slots=True)
class SlowDrip:
    """Sends the normal answer one byte at a time. A client that limits only each read never gives up."""

    pause: float = 0.05


TelegramAction = Answer | SlowDrip | Hang | Reset | AcceptThenReset | Proceed


def success(result: object) -> Answer:
    return Answer(200, {"ok": True, "result": result})


def failure(code: int, description: str, **parameters: int) -> Answer:
    body: dict[str, object] = {"ok": False, "error_code": code, "description": description}
    if parameters:
        body["parameters"] = parameters
    return Answer(code, body)


def bad_request(what: str) -> Answer:
    return failure(400, f"Bad Request: {what}")


def too_many_requests(retry_after: int) -> Answer:
    """Flood control; `retry_after` in seconds."""
    answer = failure(429, f"Too Many Requests: retry after {retry_after}", retry_after=retry_after)
    return replace(answer, headers={"Retry-After": str(retry_after)})


def blocked() -> Answer:
    return failure(403, "Forbidden: bot was blocked by the user")


def deactivated() -> Answer:
    return failure(403, "Forbidden: user is deactivated")


def kicked() -> Answer:
    return failure(403, "Forbidden: bot was kicked from the group chat")


def chat_not_found() -> Answer:
    return bad_request("chat not found")


def migrated(new_id: int) -> Answer:
    """The group has become a supergroup with this id."""
    description = "Bad Request: group chat was upgraded to a supergroup chat"
    return failure(400, description, migrate_to_chat_id=new_id)


def unauthorized() -> Answer:
    """A well-formed token that is not, or no longer, valid."""
    return failure(401, "Unauthorized")


def not_found() -> Answer:
    """A malformed token or an unknown method."""
    return failure(404, "Not Found")


def server_error(code: int = 500) -> Answer:
    descriptions = {500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable"}
    return failure(code, descriptions.get(code, "Server Error"))


def bad_gateway_html() -> Answer:
    """The HTML page that the proxy before the API answers."""
    page = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>nginx</body>\r\n</html>\r\n"
    return Answer(502, page, {"Content-Type": "text/html"})


def malformed_json() -> Answer:
    """Status 200 with an incomplete body."""
    return Answer(200, '{"ok":true,"result":{"message_id":')
