"""A third renderer, for evaluation alone: reportlab sets the document as a PDF, pdfium draws it."""

import io
from random import Random
from xml.sax.saxutils import escape

import pypdfium2
from reportlab.graphics.charts.barcharts import VerticalBarChart
from reportlab.graphics.charts.linecharts import HorizontalLineChart
from reportlab.graphics.shapes import Drawing
from reportlab.lib import colors, pagesizes
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Flowable, SimpleDocTemplate, Spacer
from reportlab.platypus import Paragraph as Text
from reportlab.platypus import Table as Grid

from ..fonts import chinese_faces, faces
from .document import Block, Chart, Document, Heading, Page, Pairs, Table

OUTLINES = {"en": ("Carlito", "Liberation Serif", "DejaVu Sans", "Roboto"), "zh": ("AR PL UMing CN", "AR PL UKai CN", "WenQuanYi Zen Hei")}
LONG_SIDE = (1100, 1700)  # pixels of the picture


def render(document: Document, random: Random) -> Page:
    """A picture of the PDF's first page; no boxes. Raises ValueError if there is a second page."""
    font = _font(random, document.lang)
    size = random.uniform(9, 15)
    body = ParagraphStyle("body", fontName=font, fontSize=size, leading=size * random.uniform(1.2, 1.5), wordWrap="CJK")
    if document.lang == "en":
        body.wordWrap = None
    title = ParagraphStyle("title", body, fontSize=size * 1.6, leading=size * 2, alignment=random.choice((0, 1)))
    paper = random.choice((pagesizes.A4, pagesizes.A5, pagesizes.letter))
    story: list[Flowable] = []
    for block in document.blocks:
        story += [_flowable(random, block, body, title, paper[0] - 100), Spacer(1, size * random.uniform(0.3, 1.2))]
    file = io.BytesIO()
    SimpleDocTemplate(file, pagesize=paper, leftMargin=40, rightMargin=40, topMargin=40, bottomMargin=40).build(story)
    pdf = pypdfium2.PdfDocument(file.getvalue())
    if len(pdf) > 1:
        raise ValueError(f"the {document.kind} takes {len(pdf)} pages")
    image = pdf[0].render(scale=random.uniform(*LONG_SIDE) / paper[1]).to_pil().convert("RGB")
    return Page(image, document, [])


def _font(random: Random, lang: str) -> str:
    known = chinese_faces() if lang == "zh" else [f for f in faces() if f.weight == 4]
    face = random.choice([f for f in known if f.family in OUTLINES[lang]])
    name = f"{face.family} {face.style}"
    pdfmetrics.registerFont(TTFont(name, face.path, subfontIndex=face.index))
    return name


def _flowable(random: Random, block: Block, body: ParagraphStyle, title: ParagraphStyle, width: float) -> Flowable:
    def text(content: str, style: ParagraphStyle = body) -> Text:
        return Text(escape(content), style)

    match block:
        case Heading(piece, level):
            return text(piece.text, title if level == 1 else body)
        case Pairs(items):
            rows = [[text(label), text(piece.text)] for label, piece in items]
            return Grid(rows, colWidths=[0.35 * width, 0.65 * width], style=[("VALIGN", (0, 0), (-1, -1), "TOP")])
        case Table(header, rows):
            content = [[text(cell) for cell in header], *([text(piece.text) for piece in row] for row in rows)]
            lines = random.choice(([("GRID", (0, 0), (-1, -1), 0.5, colors.grey)], [("LINEBELOW", (0, 0), (-1, 0), 1, colors.black)], []))
            return Grid(content, colWidths=[width / len(header)] * len(header), style=lines)
        case Chart(form, labels, values):
            chart = VerticalBarChart() if form == "bar" else HorizontalLineChart()
            chart.width, chart.height, chart.x, chart.y = width - 60, 160, 40, 30
            chart.data, chart.categoryAxis.categoryNames = [values], list(labels)
            chart.valueAxis.valueMin = 0
            for part in (chart.categoryAxis.labels, chart.valueAxis.labels):
                part.fontName = body.fontName
            labelled = chart.barLabels if form == "bar" else chart.lineLabels
            labelled.fontName, labelled.dy = body.fontName, 8
            setattr(chart, "barLabelFormat" if form == "bar" else "lineLabelFormat", "%g")
            drawing = Drawing(width, 210)
            drawing.add(chart)
            return drawing
        case _:
            return text("".join(piece.text for piece in block.pieces))
