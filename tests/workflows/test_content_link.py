"""A notification about AR content leads to the page that renews the AR content, not to its project's."""

from __future__ import annotations

from tests.support.data import in_days
from tests.support.scene import CHAT, EMAIL, Scene

PAGE = "https://platform.example/projects/{project}/contents/{slug}/renew"
PROJECTS_PAGE = "https://platform.example/projects/{slug}/renew"


async def sent(scene: Scene, page: str | None) -> tuple[str, str]:
    """The mail's source and the Telegram message about AR content that ends before its project."""
    company = await scene.platform.company(contact_email=EMAIL, telegram_chat_id=CHAT)
    project = await scene.platform.project(company, slug="ship", expires_at=in_days(300))
    await scene.platform.content(company, project, slug="bow", title="The bow", expires_at=in_days(2))
    await scene.with_settings(renew_url_template=PROJECTS_PAGE, renew_content_url_template=page).scan_and_send()
    [mail] = scene.sink.messages
    [message] = scene.telegram.to(CHAT)
    parts = [part.get_content() for part in mail.message.walk() if part.get_content_maintype() == "text"]
    return "\n".join(parts), message.text


async def test_it_leads_to_the_contents_page(scene: Scene) -> None:
    mail, message = await sent(scene, PAGE)
    assert mail.count("https://platform.example/projects/ship/contents/bow/renew") == 2  # text and HTML
    assert message.count("https://platform.example/projects/ship/contents/bow/renew") == 1
    assert "/projects/ship/renew" not in mail + message


async def test_without_such_a_page_it_has_no_link_to_renew(scene: Scene) -> None:
    mail, message = await sent(scene, None)
    assert "/renew" not in mail + message
    assert "To keep it running, write to" in mail
    assert "To keep it running, write to" in message
