"""vidskim serve: search, play and index over HTTP."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vidskim.cli.console import JsonOption, Outcome, note, run_verb
from vidskim.cli.model_options import Device, StoreOption
from vidskim.errors import SettingsError

if TYPE_CHECKING:
    from vidskim.serve.selftest import SelfTest

MEGABYTE = 10**6
Token = Annotated[
    str | None,
    typer.Option(
        envvar="VIDSKIM_TOKEN",
        show_envvar=True,
        help="What every request must carry, 32 characters or more. On the command line others on this machine can "
        "read it: better in the environment.",
    ),
]
Hosts = Annotated[
    list[str] | None,
    typer.Option("--allow-host", help="A further name that requests may call the server by, without port."),
]
Roots = Annotated[
    list[Path] | None,
    typer.Option(
        "--root", help="Only files below may be served and indexed. Default: the stored videos' own folders."
    ),
]
Data = Annotated[
    Path | None, typer.Option(help="Folder for uploads and jobs. Default STORE.data beside the store.")
]
Host = Annotated[str, typer.Option(help="Address to listen on; any but loopback needs a token.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")]
ModelNow = Annotated[str | None, typer.Option(help="Where the store's model is now, if not where it was.")]


def serve(
    *,
    store: StoreOption = "vidskim-store",
    host: Host = "127.0.0.1",
    port: Port = 8000,
    token: Token = None,
    allow_host: Hosts = None,
    root: Roots = None,
    data: Data = None,
    model: ModelNow = None,
    classifier: Annotated[str | None, typer.Option(help="A video classifier, for labels.")] = None,
    upload_mb: Annotated[float, typer.Option(help="Largest upload, megabytes.")] = 4096.0,
    device: Device = "auto",
    as_json: JsonOption = False,
) -> None:
    """Serve a store: search, thumbnails, video streams, uploads and indexing over HTTP. /docs lists the routes.

    Only this machine can reach it. For others give --host and put a token of 32 characters or more into the
    environment variable VIDSKIM_TOKEN; put a proxy with TLS in front. Ctrl-C stops it.

    Examples:

      vidskim serve --store library

      VIDSKIM_TOKEN=... vidskim serve --store library --host 0.0.0.0 --allow-host videos.example.org --root clips
    """

    def body() -> Outcome:
        from vidskim.serve.access import Access

        access = Access.of(host, token=token, names=allow_host or ())
        try:
            from vidskim.serve.caps import Caps
            from vidskim.serve.launch import Plan, build
            from vidskim.serve.launch import serve as listen
        except ModuleNotFoundError as error:
            raise SettingsError(f"the server needs {error.name}: pip install 'vidskim[serve]'") from error
        plan = Plan(
            store=store,
            access=access,
            port=port,
            roots=tuple(root or ()),
            data=data,
            model=model,
            classifier=classifier,
            device=device,
            caps=Caps(upload_bytes=round(upload_mb * MEGABYTE)),
        )
        app, tested = build(plan)
        urls: list[str] = []

        def announce(url: str) -> None:
            urls.append(url)
            note(f"{_passed(tested)}; serving {store} at {url} (routes: {url}/docs)")

        listen(app, access=access, port=port, on_start=announce)
        return Outcome({"store": store, "url": urls[0]}, ["stopped"])

    run_verb(body, as_json=as_json)


def _passed(tested: "SelfTest") -> str:
    earlier = ", the same as at the first start" if tested.compared else ""
    return f"self-test passed ({tested.sentences} sentences{earlier}, {tested.stored} stored vectors)"
