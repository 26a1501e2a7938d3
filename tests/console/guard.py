"""What no page may do, whatever a test looks at: the guard watches every page of every browser test."""

from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Dialog, Page, Request, Response, WebError

# A policy that is broken is said in the console by the browser too; this names what was refused.
_SAY_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) => {
  const { effectiveDirective, blockedURI, sourceFile, lineNumber } = event;
  console.error(`policy: ${effectiveDirective} refused ${blockedURI} at ${sourceFile}:${lineNumber}`);
});
"""


class Guard:
    """Collects what went wrong in the pages of a test; `check` fails the test for it.

    Wrong are: errors and warnings in the console, uncaught exceptions, dialogs nobody asked for, crashes,
    requests to another host, requests of ours that fail, answers of 400 and more unless they are expected.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._expected: set[int] = set()
        self._is_away = False
        self.problems: list[str] = []

    def expects(self, *statuses: int) -> None:
        """From now on these statuses are part of the test."""
        self._expected.update(statuses)

    def expects_no_server(self) -> None:
        """From now on the server may be out of reach."""
        self._is_away = True

    def watch(self, context: BrowserContext) -> None:
        """Look at everything in this context, from its first page on."""
        context.add_init_script(_SAY_VIOLATIONS)
        context.on("console", self._on_console)
        context.on("weberror", self._on_error)
        context.on("request", self._on_request)
        context.on("response", self._on_response)
        context.on("requestfailed", self._on_failed)
        context.on("dialog", self._on_dialog)
        context.on("page", self._on_page)

    def check(self) -> None:
        assert not self.problems, "The pages of this test did what no page may:\n" + "\n".join(self.problems)

    def _add(self, what: str, where: str) -> None:
        self.problems.append(f"  {what} ({where})")

    def _on_page(self, page: Page) -> None:
        page.on("crash", lambda crashed: self._add("the page crashed", crashed.url))

    def _on_console(self, message: ConsoleMessage) -> None:
        is_seen_below = message.text.startswith("Failed to load resource")
        if message.type in ("error", "warning") and not is_seen_below:
            self._add(f"console {message.type}: {message.text}", message.page.url if message.page else "")

    def _on_error(self, error: WebError) -> None:
        self._add(f"uncaught: {error.error}", error.page.url if error.page else "")

    def _on_dialog(self, dialog: Dialog) -> None:
        self._add(f"dialog: {dialog.message}", dialog.page.url if dialog.page else "")
        dialog.dismiss()

    def _on_request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and f"{parts.scheme}://{parts.netloc}" != self._url:
            self._add(f"request to another host: {request.url}", request.frame.url)

    def _on_response(self, response: Response) -> None:
        if response.status >= 400 and response.status not in self._expected:
            self._add(f"answer {response.status}", f"{response.request.method} {response.url}")

    def _on_failed(self, request: Request) -> None:
        # What a page still waits for when it is left is given up by the browser itself.
        if request.failure != "net::ERR_ABORTED" and not self._is_away:
            self._add(f"failed: {request.failure}", f"{request.method} {request.url}")
