"""The command ``serve``."""

from pathlib import Path

from jsonargparse import ArgumentParser

from unlearning_pl.blackbox.encoder import BATCH
from unlearning_pl.blackbox.encoder_addresses import open_encoder
from unlearning_pl.blackbox.server import EmbeddingServer
from unlearning_pl.cli.command_parser import add_allow, make_parser, parse_args
from unlearning_pl.commands.encoder_options import ADDRESS, add_pixels, pixels_from_options
from unlearning_pl.commands.last_lines import LastLines, next_command, print_last_lines
from unlearning_pl.errors import require


def serve_parser() -> ArgumentParser:
    """Create the parser of the command ``serve``."""
    parser = make_parser("serve", "Serve the output vectors of a model over HTTP, with the protocol of docs/owner.md.")
    parser.add_argument("--run", "--model", type=str, required=True, help=f"Model to serve: {ADDRESS}.")
    parser.add_argument(
        "--host", type=str, default="127.0.0.1", help="Host to listen on; by default only this machine."
    )
    parser.add_argument("--port", type=int, default=8000, help="Port to listen on; 0 chooses a free one.")
    parser.add_argument("--batch", type=int, default=BATCH, help="Maximum batch size of the model, in images.")
    add_pixels(parser)
    add_allow(parser)
    return parser


def serve(args: list[str]) -> None:
    """Run the command ``serve``, until it is interrupted."""
    options = parse_args(serve_parser(), args)
    address = options.run
    require(
        not address.startswith(("http://", "https://")),
        "Expected a model on this machine, got the address of a server. Serve the file or the run itself.",
    )
    require(
        1 <= options.batch <= BATCH,
        f"Expected batch from 1 to {BATCH}, got {options.batch}. Choose a batch that fits in memory.",
    )
    encoder = open_encoder(address, pixels_from_options(options), layer=options.layer, allow=options.allow)
    encoder.batch = min(encoder.batch, options.batch)
    encoder.name = Path(address).resolve().name  # clients must not learn the rest of the path
    with EmbeddingServer(encoder, options.host, options.port) as server:
        hint = next_command("owner", "--before", "BEFORE", "--after", server.address, "--images", "FOLDER")
        print_last_lines(LastLines(f"Serving {address} at {server.address} until Ctrl-C.", hint))
        try:
            server.serve_forever()
        except KeyboardInterrupt:  # the regular way to stop the server
            print_last_lines(LastLines("Stopped."))
