"""The report's figures on hand-made answers."""

import json

import pytest
from pagelens_training import measure, report

ENTRIES = [
    ({"id": "a", "kind": "field", "lang": "en", "metric": "exact", "answers": ["12.50"], "tiles": 2, "text_px": 14}, 1.0),
    ({"id": "b", "kind": "field", "lang": "en", "metric": "exact", "answers": ["Ada"], "tiles": 6, "text_px": 24}, 0.0),
    ({"id": "c", "kind": "transcribe", "lang": "en", "metric": "cer", "answers": ["x" * 90], "tiles": 6, "text_px": 24}, 0.1),
    ({"id": "d", "kind": "transcribe", "lang": "en", "metric": "cer", "answers": ["x" * 10], "tiles": 6, "text_px": 24}, 1.0),
    ({"id": "e", "kind": "locate", "lang": "zh", "metric": "iou", "answers": ["[[0, 0, 1, 1]]"], "tiles": 1}, 0.6),
]


def write(folder, answered):
    for name, lines in (
        ("questions", [question for question, _ in ENTRIES]),
        ("predictions", [{"id": question["id"], "prediction": "", "score": score} for question, score in ENTRIES[:answered]]),
    ):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def answers(folder):
    return report.answers(folder / "questions.jsonl", folder / "predictions.jsonl")


def test_tables(tmp_path):
    write(tmp_path, len(ENTRIES))
    found = dict(report.sections(answers(tmp_path)))
    assert found["asked, right"] == [("en", "fields", 2, 0.5), ("zh", "boxes", 1, 1.0)]
    # 9 and 10 characters wrong of 100, not the mean of the two rates
    assert found["read, character error rate"] == [("en", "CER of pages", 2, pytest.approx(0.19))]
    assert found["fields by text height, right"] == [("en", "12-15 px", 1, 1.0), ("en", "20-27 px", 1, 0.0)]
    assert found["fields by tiles, right"] == [("en", "2", 1, 1.0), ("en", "6", 1, 0.0)]


def test_a_question_without_an_answer_is_an_error(tmp_path):
    write(tmp_path, 3)
    with pytest.raises(ValueError, match="2 questions were not answered, d among them"):
        answers(tmp_path)


def test_choices_side_by_side(tmp_path):
    write(tmp_path, len(ENTRIES))
    everything = answers(tmp_path)
    rows = measure.compared({"one": everything, "another": everything[1:]}).splitlines()
    assert rows[:4] == ["| | one | another |", "|---|---:|---:|", "| fields, en | 50.0% | 0.0% |", "| fields, zh | - | - |"]
    assert "| CER, en | 19.0% | 19.0% |" in rows
    assert "| boxes | 100.0% | 100.0% |" in rows
