"""What the faster resize costs: features of frames scaled by the decoder against the exact preparation.

    python benchmarks/scaler.py CLIPS... --model MODEL [--fps 3]

Full encoder, float32. Prints cosine for each clip and the seconds of reading and preparing; ends with one JSON line.
"""

import argparse
import json
import time
from pathlib import Path

import vidskim


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--fps", type=float, default=3.0)
    options = parser.parse_args()
    encoders = {
        scaler: vidskim.load_model(options.model, device="cpu", dtype="float32", scaler=scaler)
        for scaler in ("pillow", "decoder")
    }
    rows = []
    print(f"{'clip':28} {'mean':>8} {'worst':>8} {'pillow s':>9} {'decoder s':>9}")
    for path in options.clips:
        vectors, seconds = {}, {}
        for scaler, encoder in encoders.items():
            start = time.perf_counter()
            prepared = encoder.prepare(vidskim.read_video(path, fps=options.fps, **encoder.reading))
            seconds[scaler] = time.perf_counter() - start
            vectors[scaler] = encoder.encode_pixels(prepared.pixels).vectors
        cosines = (vectors["pillow"] * vectors["decoder"]).sum(dim=1)
        row = {"clip": path.stem, "mean": float(cosines.mean()), "worst": float(cosines.min()), **seconds}
        rows.append(row)
        print(
            f"{path.stem:28} {row['mean']:8.5f} {row['worst']:8.5f} {row['pillow']:9.2f} {row['decoder']:9.2f}"
        )
    mean = sum(row["mean"] for row in rows) / len(rows)
    print(
        json.dumps(
            {"fps": options.fps, "mean": mean, "worst": min(row["worst"] for row in rows), "clips": rows}
        )
    )


if __name__ == "__main__":
    main()
