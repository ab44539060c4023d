"""What documents of each kind say. Everything random comes from the `Random` passed in."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random

from .document import Chart, Document, Pairs, Piece
from .draft import Draft, topic
from .facts import FORMS, LISTS
from .sentences import CHARTS, LETTERS, NOTICES


@dataclass(frozen=True)
class Kind:
    """A kind of document: what it is called, and how one is made."""

    name: dict[str, str]
    build: Callable[[Random, str], Document]


def _in_words(cents: int) -> str:
    """An amount in the numerals of Chinese invoices."""
    yuan, (jiao, fen), digits, text = str(cents // 100), divmod(cents % 100, 10), "零壹贰叁肆伍陆柒捌玖", ""
    for place, digit in zip(reversed(range(len(yuan))), yuan):
        text += digits[int(digit)] + ("", "拾", "佰", "仟")[place % 4] * (digit != "0")
        if place == 4:
            text = text.rstrip("零") + "万"
    text = re.sub("零+", "零", text).rstrip("零") + "元"
    return text + (digits[jiao] + "角" if jiao else "零" if fen else "") + (digits[fen] + "分" if fen else "整")


KINDS: dict[str, Kind] = {}


def _kind(en: str, zh: str, might: str):
    """Registers a function that fills a draft; `might` are the facts that such documents often state."""
    key = en.lower().replace(" ", "_")

    def register(fill: Callable[[Draft], None]) -> Callable[[Draft], None]:
        def make(random: Random, lang: str) -> Document:
            draft = Draft(random, key, lang)
            fill(draft)
            return draft.done(might)

        KINDS[key] = Kind({"en": en, "zh": zh}, make)
        return fill

    return register


def build(random: Random, kind: str | None = None, lang: str | None = None) -> Document:
    """A document of a kind and language, any if none is named."""
    return KINDS[kind or random.choice(list(KINDS))].build(random, lang or random.choice(("en", "zh")))


@_kind("receipt", "收据", "seller phone address email website date time cashier discount tax change payment_method buyer due_date bank")
def receipt(d: Draft) -> None:
    meal = d.chance(0.4)
    if d.chance(0.92):
        d.heading(d.values.shop("eatery" if meal else "shop"), 1, "seller")
    if d.chance(0.3):
        d.heading(d.say("Receipt|SALES RECEIPT|Cash receipt", "收据|购物小票|结账单"), 2)
    d.lines(d.some("address phone website", 0.45))
    d.pairs(d.some("receipt_number order_number date time cashier" + " table_number guests" * meal, 0.6))
    columns = ("quantity price amount", "quantity amount", "amount", "amount", "price quantity amount", "code quantity price amount")
    total = d.purchase("dish" if meal else "goods", 18, 5, (100, 6000), d.random.choice(columns))
    if d.chance(0.4):
        paid = -(-total // (step := d.random.choice((1000, 5000, 10000)))) * step
        method = {"payment_method": d.say("Cash", "现金")} if d.chance(0.5) else {}
        d.pairs((), **method, paid=d.values.money(paid), change=d.values.money(paid - total))
    else:
        d.pairs(d.some("payment_method", 0.7))
    d.remark(0.6, "Thank you for shopping with us!|Please keep this receipt.|THANK YOU", "谢谢惠顾！|欢迎再次光临|请妥善保管小票|多谢光临")


@_kind("invoice", "发票", "seller buyer due_date order_number address phone email website tax discount bank account cashier")
def invoice(d: Draft) -> None:
    top = d.chance(0.4)
    if top:
        d.heading(d.values("company"), 1, "seller")
        d.lines(d.some("address phone email website", 0.5))
    d.heading(d.say("INVOICE|Invoice|Tax invoice|Bill", "发票|增值税普通发票|电子发票|服务费发票"), 1 + top)
    meta = ["invoice_number", "date", *d.some("due_date order_number reference", 0.5)]
    parties = {key: d.values("company") for key in d.some("buyer" + " seller" * (not top), 0.9)}
    if d.chance(0.4):
        d.pairs(meta, **parties)
    else:
        d.pairs(meta)
        d.pairs((), **parties)
    columns = ("quantity price amount", "unit quantity price amount", "code quantity price amount", "quantity amount", "amount")
    total = d.purchase(d.random.choice(("goods", "service")), 16, 60, (500, 90000), d.random.choice(columns))
    d.pairs((), **({"amount_in_words": _in_words(total)} if d.zh and d.chance(0.5) else {}))
    d.pairs(d.some("bank account payment_method", 0.5))
    d.remark(
        0.5, "Thank you for your business.|Please quote the number above.", "请在付款时注明发票编号。|感谢您的惠顾。|此票据加盖公章有效。"
    )


@_kind("letter", "信函", "phone email address website deadline event_date place time contact order_number job_title fax amount_due date")
def letter(d: Draft) -> None:
    subject, text = topic(d, LETTERS)
    if d.chance(0.4):  # a mail or a memo
        if d.chance(0.4):
            d.heading(d.say("MEMO|Memorandum|Message", "备忘录|邮件|内部通知"))
        d.pairs(["sender", "recipient", *d.some("date", 0.8)], subject=subject)
    else:
        if d.chance(0.6):
            d.heading(d.values("company"), 1, "sender")
        d.lines(d.some("address phone email website reference", 0.4))
        d.lines(d.some("date recipient", 0.85), 0.2)
        if d.chance(0.8):
            d.heading(subject, 2, "subject")
    d.line(d.say("Dear Sir or Madam,|Hello,|Dear friends,|To whom it may concern,", "您好！|尊敬的先生/女士：|敬启者：|各位："))
    d.text(text, 2)
    d.line(d.say("Yours faithfully,|Kind regards,|Best wishes,|Yours sincerely,", "此致敬礼！|顺祝商祺！|祝好！|谨上"))
    d.lines(d.some("signatory", 0.85) + d.some("job_title", 0.4), 0)


@_kind("notice", "通知", "phone email deadline event_date place time contact signatory opening_hours website total version")
def notice(d: Draft) -> None:
    subject, text = topic(d, NOTICES)
    if d.chance(0.3):
        d.heading(d.say("NOTICE|Attention|Public notice", "通知|公告|温馨提示"))
    d.heading(subject, 1 + bool(d.blocks), "title")
    if d.chance(0.3):
        d.pairs(d.some("event_date time place deadline", 0.7))
    d.text(text, 1)
    if d.chance(0.3):
        d.pairs(key for key in d.some("contact phone email opening_hours", 0.5) if key not in d.facts)
    d.lines(d.some("signatory issue_date", 0.6), 0)


@_kind("form", "登记表", "name sex birth_date nationality id_number address phone email school job_title bank account valid_until website")
def form(d: Draft) -> None:
    titles = "Application form|Registration form|Membership form|Personal data sheet", "报名表|入职登记表|申请表|个人信息登记表|会员登记表"
    d.heading(d.say(*titles), 1, "title")
    sections = [
        (
            d.say("Personal details|About you", "基本信息|申请人"),
            "name sex birth_date nationality id_number marital_status" + " ethnicity" * d.zh,
        ),
        (d.say("Contact details|How to reach you", "联系方式|通讯信息"), "address phone email emergency_contact"),
        (d.say("Work and education|Background", "教育与工作|单位信息"), "education school company department job_title"),
        (d.say("Payment|Bank details", "付款信息|银行信息"), "bank account payment_method"),
    ]
    titled = d.chance(0.6)
    for title, keys in sections[: d.random.choice((1, 2, 2, 3, 4))]:
        chosen = d.some(keys, 0.75) or keys.split()[:1]
        blank = d.some(" ".join(chosen), 0.08)
        if titled:
            d.heading(title, 2)
        d.pairs(key for key in chosen if key not in blank)
        d.absent += blank
        if blank:
            d.blocks.append(Pairs(tuple((d.label(key) + d.colon, Piece("____")) for key in blank)))
    d.remark(0.5, "I confirm that the above is correct.|Please write clearly.", "本人保证以上信息真实有效。|请用正楷填写。")
    d.pairs(d.some("signatory date", 0.5))


@_kind("ID card", "证件", "name sex birth_date nationality id_number address issue_date valid_until department job_title phone email")
def id_card(d: Draft) -> None:
    cards = [  # title, keys, who issues it
        (
            d.say("IDENTITY CARD|National identity card", "居民身份证"),
            "sex birth_date address " + ("ethnicity" if d.zh else "nationality"),
            "",
        ),
        (d.say("STUDENT CARD|Student ID", "学生证"), "sex class department birth_date", "school"),
        (d.say("EMPLOYEE CARD|Staff pass", "工作证|员工卡"), "department job_title phone", "company"),
        (d.say("DRIVING LICENCE|Driver license", "机动车驾驶证"), "sex nationality address birth_date", ""),
        (d.say("LIBRARY CARD|Membership card", "借阅证|会员卡"), "phone email address", "school"),
    ]
    title, keys, issuer = d.random.choice(cards)
    if issuer and d.chance(0.7):
        d.heading(d.values(issuer), 2, issuer)
    d.heading(title, 1, "title")
    if large := d.chance(0.2):
        d.heading(d.values("name"), 2, "name")
    number, chosen = d.some("id_number", 0.9), d.some(keys, 0.75)
    first, dates = ["name"] * (not large), d.some("issue_date valid_until", 0.5)
    d.pairs([*number, *first, *chosen] if d.chance(0.4) else [*first, *chosen, *number])
    if d.chance(0.3):
        d.lines(dates, 1)
    else:
        d.pairs(dates)
    d.remark(0.25, "If found, please return.|Not transferable.|Carry this card at all times.", "仅限本人使用|请妥善保管|拾到请交还发证单位")


@_kind("business card", "名片", "fax address website phone email department job_title birth_date account opening_hours")
def business_card(d: Draft) -> None:
    roles, above = d.some("job_title department", 0.7), d.chance(0.5)
    first, second = d.random.sample(("company", "name"), 2)
    d.heading(d.values(first), 1, first)
    d.lines(roles if above else [], 0)
    d.heading(d.values(second), 2, second)
    d.lines([] if above else roles, 0)
    ways = d.some("phone fax email website address", 0.65) or ["phone"]
    if d.chance(0.5):
        d.pairs(ways)
    else:
        d.lines(ways, d.random.choice((0, 0.5, 1)))


@_kind("table", "表格", "title source author date total deadline contact version")
def table(d: Draft) -> None:
    people = sorted({d.values("name") for _ in range(20)})
    number = d.random.randrange
    forms = [  # title, head, names, columns
        (
            ("Stock list|Inventory", "库存清单|仓库盘点表"),
            ("Product|Article", "商品|品名"),
            LISTS["goods"][d.lang],
            "code unit stock price",
        ),
        (
            ("Exam results|Class scores", "考试成绩表|期末成绩单"),
            ("Student|Pupil", "学生|姓名"),
            people,
            "language mathematics english physics",
        ),
        (("Cities compared|Branches", "城市概况|分店情况"), ("City|Town", "城市|地区"), LISTS["city"][d.lang], "population area phone"),
        (
            ("Spending by item", "年度支出对比"),
            ("Item", "项目"),
            LISTS["spending"][d.lang] + LISTS["service"][d.lang],
            "last_year this_year",
        ),
        (("Staff directory", "员工通讯录|值班人员名单"), ("Employee", "员工|姓名"), people, "department job_title phone email"),
    ]
    title, head, names, keys = d.random.choice(forms)
    make = {"price": lambda: d.values.money(d.price(100, 20000)), "stock": lambda: str(number(500)), "area": lambda: str(number(80, 9000))}
    make |= {key: lambda: f"{number(100, 90000):,}" for key in ("last_year", "this_year")}
    make |= {key: lambda: str(number(35, 101)) for key in "language mathematics english physics".split()}
    make["population"] = lambda: f"{number(90000, 9000000):,}"
    columns = d.some(keys, 0.7) or keys.split()[:1]
    if d.chance(0.85):
        d.heading(d.say(*title), 1, "title")
    chosen = d.random.sample(names, min(len(names), number(2, d.random.choice((5, 9, 17)))))
    rows = {name: {key: make[key]() if key in make else d.values(key) for key in columns} for name in chosen}
    d.table(d.say(*head), rows, names, " ".join(make))
    d.remark(
        0.25, "Figures are provisional.|See the annex for details.|For internal use only.", "数据仅供参考。|详见附件。|内部资料，注意保密。"
    )
    d.pairs(d.some("source author date", 0.25))


def _priced(d: Draft, names: list[str], others: Iterable[str], prices: tuple[int, int], columns: str) -> None:
    """Names with their prices, as pairs or a table."""
    rows = {}
    for name in names:
        price = d.values.money(d.price(*prices))
        rows[name] = {column: price if column == "price" else d.values(column) for column in columns.split()}
    if columns != "price" or d.chance(0.4):
        d.table(d.say("Item|Product", "品名|项目|名称"), rows, others, "price")
    else:
        d.blocks.append(Pairs(tuple((name, d.piece(f"price:{name}", row["price"])) for name, row in rows.items())))


@_kind("price list", "价目表", "seller phone address opening_hours date valid_until email website total discount contact")
def price_list(d: Draft) -> None:
    if d.chance(0.6):
        d.heading(d.values("seller"), 1, "seller")
    d.heading(d.say("Price list|Our prices|Prices", "价目表|商品价格表|收费标准"), 1 + bool(d.blocks), "title")
    d.pairs(d.some("date valid_until", 0.3))
    of = d.random.choice(("goods", "goods", "service"))
    d.values.whole = d.chance(0.4)
    _priced(d, d.names(of, 24), LISTS[of][d.lang], (100, 30000), d.random.choice(("price", "price", "unit price", "code price")))
    d.remark(0.4, "All prices include tax.|Prices may change without notice.", "以上价格均含税。|价格如有变动，恕不另行通知。")
    d.lines(d.some("phone address opening_hours website", 0.25))


@_kind("menu", "菜单", "phone address opening_hours website email seller table_number date total cashier")
def menu(d: Draft) -> None:
    if d.chance(0.8):
        d.heading(d.values.shop("eatery"), 1, "seller")
    if d.chance(0.6) or not d.blocks:
        d.heading(d.say("Menu|MENU|Today's menu", "菜单|今日菜单|精选菜品"), 1 + bool(d.blocks), "title")
    names = d.names("dish", 30)
    d.values.whole = d.chance(0.5)
    parts = d.random.sample(d.say("Lunch,Dinner,Specials,Favourites", "午市,晚市,招牌推荐,店长推荐").split(","), 1 + len(names) // 8)
    for i, part in enumerate(parts):
        if len(parts) > 1:
            d.heading(part, 2)
        _priced(d, names[i :: len(parts)], LISTS["dish"][d.lang] if len(parts) == 1 else (), (200, 9000), "price")
    d.lines(d.some("opening_hours phone address website", 0.3))


@_kind("timetable", "时间表", "phone website valid_until contact email price version author")
def timetable(d: Draft) -> None:
    random, v = d.random, d.values
    count, form = random.randint(2, random.choice((5, 8, 14))), random.choice(("trains", "lessons", "sessions"))
    hours = [f"{minute // 60:02}:{minute % 60:02}" for minute in sorted(random.sample(range(480, 1260, 5), 30))]
    if form == "trains":
        city = v.one("city")
        title, head = (
            d.say(f"{city} departures|{city} Bus Station", f"{city}站列车时刻表|{city}客运站班次表"),
            d.say("Train|Line", "车次|班次"),
        )
        names = sorted({v.pattern(["G###", "D###", "K###", "T##"] if d.zh else ["IC ###", "R##", "S#", "EX ###"]) for _ in range(20)})
        random.shuffle(names)
        columns = ["departure", *d.some("destination arrival platform", 0.75)]
    elif form == "lessons":
        title, head = d.say("Class timetable|Weekly lessons", "课程表|一周课表"), d.say("Lesson|Period", "节次")
        names, count = [f"第{n}节" if d.zh else f"Period {i}" for i, n in enumerate("一二三四五六七八", 1)], min(count, 8)
        columns = "monday tuesday wednesday thursday friday".split()[: random.choice((3, 5, 5))]
    else:
        title, head = d.say("Programme|Conference schedule|Agenda", "会议日程|活动安排表|议程"), d.say("Session|Event", "环节|内容")
        sessions, count = LISTS["session"][d.lang], min(count, 10)
        names = sorted(random.sample(sessions, count), key=sessions.index)
        names += [name for name in sessions if name not in names]
        columns = ["time", *d.some("room speaker", 0.75)]
    d.heading(title, 1, "title")
    d.pairs(d.some({"trains": "valid_until", "lessons": "class school", "sessions": "event_date place"}[form], 0.4))
    at = {"time": hours, "departure": hours, "arrival": hours[15:]}
    make = {"destination": "city"} | {column: "lesson" for column in columns if column.endswith("day")}
    rows = {
        name: {c: at[c][i] if c in at else v.one(make[c]) if c in make else v(c) for c in columns} for i, name in enumerate(names[:count])
    }
    d.table(head, rows, names[count:], at=int(form == "sessions" and d.chance(0.7)))
    d.remark(
        0.25, "Subject to change.|Please arrive early.|Except on public holidays.", "如有变动，以现场公告为准。|请提前到达。|节假日除外。"
    )
    d.lines(d.some("phone website", 0.15))


@_kind("bar chart", "柱状图", "source author total contact")
@_kind("line chart", "折线图", "source author total contact")
def chart(d: Draft) -> None:
    """A title and the values of a series; lines only where the series runs in time."""
    random, year, ordered = d.random, d.values.day.year, ("month", "weekday", "quarter", "year")
    form, topics = d.kind.removesuffix("_chart"), [topic.split(";") for topic in re.split(r"[|\n]", CHARTS[d.lang])]
    title, unit, series, low, high = random.choice([topic for topic in topics if form == "bar" or topic[2] in ordered])
    names = [str(year - i) for i in range(12, 0, -1)] if series == "year" else (LISTS.get(series) or FORMS[series])[d.lang]
    count = random.randint(3, min(len(names), 12 if series in ordered else 8))
    start = random.randint(0, len(names) - count)
    labels = names[start : start + count] if series in ordered else random.sample(names, count)
    values, step = [random.uniform(float(low), int(high)) for _ in labels], int(high) / 12
    if form == "line" and d.chance(0.6):  # a trend
        values = [value + random.uniform(-step, step) for value in sorted(values, reverse=d.chance(0.4))]
    digits = random.randrange(2) if "." in low else 0
    values = [round(max(1, value), digits) for value in values]
    where, when = d.values.one("city") * (series != "city" and d.chance(0.4)), year if series != "year" and d.chance(0.4) else ""
    whole = f"{when}{'年' * bool(when)}{where}{title}" if d.zh else f"{title}{' in ' * bool(where)}{where}{' ' * bool(when)}{when}"
    d.heading(whole + (d.say(f" ({unit})", f"（{unit}）") if d.chance(0.6) else ""), 1, "title")
    d.blocks.append(Chart(form, tuple(labels), tuple(values)))
    d.facts |= {f"value:{label}": f"{value:g}" for label, value in zip(labels, values)}
    unused = [name for name in names if name not in labels]
    d.absent += [f"value:{name}" for name in random.sample(unused, min(2, len(unused)))]
    d.remark(0.25, "Figures are rounded.|Preliminary figures", "数据已四舍五入。|初步统计数据")
    d.pairs(d.some("source author", 0.2))


@_kind("screenshot", "屏幕截图", "version status error_code user device storage battery network email phone order_number total")
def screenshot(d: Draft) -> None:
    windows = [  # title, facts, messages
        (
            ("About|System information", "关于本机|系统信息"),
            "device version storage battery network",
            ("Your system is up to date.", "系统运行正常。"),
        ),
        (("Settings|Preferences", "设置|系统设置"), "user network battery storage email", ("Changes apply at once.", "更改立即生效。")),
        (
            ("Error|Warning", "错误|警告"),
            "error_code status",
            ("The file could not be opened.|Please try again.", "无法打开文件。|请稍后重试。"),
        ),
        (("Order details|Your order", "订单详情|物流跟踪"), "order_number status date payment_method", ("Thank you!", "感谢您的订购！")),
        (("My profile|Account", "个人中心|账户信息"), "user name email phone address", ("Your changes were saved.", "修改已保存。")),
        (("Documents|Downloads", "文档|下载"), "", ("", "")),
    ]
    title, keys, message = d.random.choice(windows)
    d.heading(d.say(*title), 1, "title")
    if not keys:
        names = [f"{name}{d.say('_v2|-1||', '（1）|||')}.{d.say(*['pdf|docx|xlsx|png|zip|txt'] * 2)}" for name in LISTS["file"][d.lang]]
        columns = d.some("size modified status", 0.6) or ["size"]
        chosen = d.random.sample(names, d.random.randint(1, 9))
        d.table(d.say("Name|File", "名称|文件名"), {name: {key: d.values(key) for key in columns} for name in chosen}, names, "size")
    else:
        d.remark(0.6, *message)
    d.pairs(d.some(keys, 0.7) or keys.split()[:1])
    for button in d.say("|OK|Cancel OK|Close|Back Save", "|确定|取消 确定|关闭|返回 保存").split():
        d.line(button)
