"""Does any single number of a simulated transplant image tell GFR, and do they together?

For every exam of a simulated cohort: statistics of intensities (whole image, the kidney's box, its parts; as stored and
normalised as for a network) and volumes, each alone against the true GFR (R2 of the better of a line and a line on the
logarithm); and the joint pattern of the tubular image in a ridge regression with folds by patient.

Usage: python examples/benchmarks/simulator_statistics.py --patients 80 --out simulator_statistics.json
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import platform
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from medcl.imaging.simulate.clinical import EXAMS
from medcl.imaging.simulate.session import SEQUENCES
from medcl.imaging.simulate.statistics import alone, exam_statistics, joint_pattern, together
from medcl.imaging.simulate.transplant_mr import draw_exam, draw_patient

LARGEST_ALONE = 0.5


def main() -> None:
    """Measure, print the table and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=80)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=multiprocessing.cpu_count())
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    words = parser.parse_args()
    jobs = [(words.seed, number) for number in range(1, words.patients + 1)]
    with multiprocessing.get_context("spawn").Pool(words.workers) as pool:
        exams = [exam for patient in pool.map(measure, jobs) for exam in patient]
    report = summarise(exams)
    report["setting"] = {
        "patients": words.patients,
        "seed": words.seed,
        "date": str(date.today()),
        "machine": platform.machine(),
        "seconds per image with its statistics": round(
            float(np.mean([exam["seconds"] for exam in exams])) / len(SEQUENCES), 3
        ),
    }
    words.out.parent.mkdir(parents=True, exist_ok=True)
    words.out.write_text(json.dumps(report, indent=2))
    show(report)
    print(f"written: {words.out}")


def measure(job: tuple[int, int]) -> list[dict[str, Any]]:
    """One patient's exams: true GFR, statistics, joint pattern and the seconds it took."""
    seed, number = job
    patient = draw_patient(seed, number)
    exams = []
    for name in EXAMS:
        began = time.perf_counter()
        exam = draw_exam(patient, name, seed)
        statistics = exam_statistics(exam)
        exams.append(
            {
                "patient": number,
                "gfr": exam.visit.gfr,
                "statistics": statistics,
                "joint": joint_pattern(exam),
                "seconds": time.perf_counter() - began,
            }
        )
    return exams


def summarise(exams: list[dict[str, Any]]) -> dict[str, Any]:
    """R2 of every statistic, the largest of each sequence, and R2 of the joint pattern."""
    gfr = np.array([exam["gfr"] for exam in exams])
    patients = np.array([exam["patient"] for exam in exams])
    names = list(exams[0]["statistics"])
    scores = {name: alone(np.array([exam["statistics"][name] for exam in exams]), gfr) for name in names}
    scores = dict(sorted(scores.items(), key=lambda item: -item[1]))
    return {
        "exams": len(exams),
        "gfr": {"mean": gfr.mean(), "sd": gfr.std(), "lowest": gfr.min(), "highest": gfr.max()},
        "largest R2 of one statistic": max(scores.values()),
        "largest by sequence": {
            sequence: max(score for name, score in scores.items() if name.startswith(sequence))
            for sequence in SEQUENCES
        },
        "joint R2, held-out patients": together(np.stack([exam["joint"] for exam in exams]), gfr, patients),
        "R2": scores,
    }


def show(report: dict[str, Any]) -> None:
    """Print the strongest statistics and the verdict."""
    print(f"{'statistic':<45}R2 with GFR")
    for name, score in list(report["R2"].items())[:12]:
        print(f"{name:<45}{score:.2f}")
    print(f"{'joint pattern of the tubular image':<45}{report['joint R2, held-out patients']:.2f} (held-out patients)")
    verdict = "none" if report["largest R2 of one statistic"] <= LARGEST_ALONE else "at least one"
    print(f"{len(report['R2'])} statistics; {verdict} above {LARGEST_ALONE}; {report['setting']}")


if __name__ == "__main__":
    main()
