"""Sentences of letters and notices, and what charts are about."""

# Subjects; sentences in their order, longer ones going on after a space. A slot is a fact, or a name from a list, which states none.
LETTERS = {
    "en": """
Delay to your order|Your recent order; Thank you for your order of {goods}, which reached us last week. Your order number is
 {order_number}; please quote it whenever you write to us. Unfortunately our supplier in {city} cannot deliver before the end of the
 month. We now expect to send everything by {deadline}. You may of course cancel the order and receive a full refund. If you prefer, our
 {person} can suggest another product.
Invitation to an interview|Your application; Thank you for applying to join our team in {city}. We read your {thing} with great interest
 and would like to meet you. The interview will take place on {event_date}. Please come to {place} and ask for our {person}. You should
 arrive before {time}. Bring copies of your certificates and of your last {thing}. The position comes with {number} days of leave. Please
 confirm by writing to {email}.
Repairs in your building|Maintenance work; We are writing to all {group} about the repairs planned for this summer. Work on the roof
 begins on {event_date} and will last about {number} weeks. The builders will start at {time} each morning. Please remove bicycles and
 plants from the yard by {deadline}. Parking is free for {group} at the {road} Road garage. {contact} looks after the work and will answer
 your questions.
Outstanding payment|Payment reminder; Our records show that one of your invoices has not been paid. The sum of {amount_due} is still open.
 The number of the invoice is {invoice_number}. Please transfer the money by {deadline}. If you have paid in the meantime, please ignore
 this letter. Otherwise we shall have to charge interest. For payments in parts, please speak to {contact}.
Annual meeting|Invitation to our annual meeting; We are pleased to invite all {group} to our annual meeting. It will be held on
 {event_date} in {place}. Doors open at {time}. After the talks there will be {dish} and drinks for everyone. Our guests from {city} will
 present the {thing} they have worked on for {number} years. Please tell us by {deadline} whether you will come.""",
    "zh": """
关于延期交货的说明|关于订单延期的通知; 感谢贵公司订购我们的{goods}。贵方订单编号为{order_number}，来函时请注明。由于{city}的供应商暂时缺货，我们无法按原计划发货。全部货物预计于{deadline}之前发出。
 如需取消订单，我们将全额退款。我们的{person}也可以为您推荐同类产品。
面试邀请|关于面试安排的通知; 感谢您应聘我公司{city}分部的职位。我们认真阅读了您的{thing}，希望与您进一步交流。面试定于{event_date}进行。请您到{place}找{person}报到。到达时间请不晚于{time}。
 请携带毕业证书原件及{quality}{thing}一份。该岗位为全职，每年带薪休假{number}天。收到后请回复邮件至{email}。
关于房屋维修的说明|楼房维修安排; 为改善居住条件，今年夏天将对本楼屋顶进行维修。工程于{event_date}开工，预计持续{number}周。每天{time}开始施工，请各位{group}谅解。
 请在{deadline}前将院内自行车和花盆搬走。施工期间，{group}可在{road}路停车场免费停车。有关事宜请联系{contact}。
催款函|关于欠款的通知; 经核对，贵公司尚有一笔货款没有支付。未付金额为{amount_due}。对应的发票号码为{invoice_number}。请贵公司于{deadline}前完成付款。如已付款，请不必理会此函。
 逾期未付的，我方将按合同收取利息。如需分期付款，请与{contact}联系。
年会邀请函|关于召开年度大会的通知; 我们诚挚邀请各位{group}参加本年度大会。会议将于{event_date}在{place}举行。签到时间为{time}。会后备有{dish}等茶点。来自{city}的嘉宾将介绍他们{number}年来完成的{thing}。
 请于{deadline}前告知是否出席。""",
}
NOTICES = {
    "en": """
Water supply interrupted|No water; The water will be turned off on {event_date} while the main pipe is repaired. Work starts at {time} and
 takes about {number} hours. All {group} are asked to fill a bottle or two beforehand. Do not use the washing machines. If the water is
 still brown in the evening, please call {phone}.
Sports day|Annual sports day; Our sports day takes place on {event_date}. We meet in {place}. The first race starts at {time}. All {group}
 are welcome, and so are their families. Entries close on {deadline}. {contact} is looking for {number} more helpers. There will be {dish}
 for all.
Lost property|Found; A bag with {goods} and a set of {number} keys has been found. It can be collected in {place}. Please bring proof of
 identity. Anything not collected by {deadline} will be given to charity. Ask our {person} or call {phone}.
Volunteers wanted|We need your help; The {road} Road library needs volunteers for the {quality} {thing}. You would help {number} hours a
 week. No experience is needed; our {person} will train you. Please apply by {deadline} to {email}. A first meeting is planned for
 {event_date}. It takes place in {place}. {contact} will gladly answer your questions.
Opening hours during the holidays|Holiday opening hours; We are closed for {number} days. From {event_date} we are here for you again. Our
 usual opening hours are {opening_hours}. Orders of {goods} placed by {deadline} will still be delivered. In urgent cases call {phone}.""",
    "zh": """
停水通知|关于临时停水的通知; 因主管道检修，将于{event_date}临时停水。检修从{time}开始，大约需要{number}小时。请各位{group}提前储水。停水期间请勿使用洗衣机。如恢复供水后水质浑浊，请拨打{phone}。
运动会通知|关于举办运动会的通知; 本年度运动会定于{event_date}举行。集合地点为{place}。第一项比赛{time}开始。欢迎各位{group}携家人参加。报名截止日期为{deadline}。现仍需{number}名志愿者，有意者请与{contact}联系。
失物招领|招领启事; 近日拾到手提包一个，内有{goods}和{number}把钥匙。请失主到{place}领取。领取时请出示有效证件。{deadline}以前无人认领的，将捐给慈善机构。详情请询问{person}，或拨打{phone}。
招募志愿者|志愿者招募公告; {road}路图书馆为完成{quality}{thing}，现招募志愿者。每周服务{number}小时。无需经验，由{person}负责培训。请在{deadline}前将报名表发送至{email}。首次见面会定于{event_date}召开。
 会议地点在{place}。咨询请找{contact}。
放假通知|假期营业安排; 本店月底起放假{number}天。{event_date}恢复正常营业。平时营业时间为{opening_hours}。{deadline}前订购的{goods}仍可送达。如有急事，请拨打{phone}。""",
}
GENERIC = {
    "en": "Please do not hesitate to write if anything is unclear. We apologise for any inconvenience. We thank you for your patience and "
    "trust. A copy of the {thing} is enclosed. The {quality} {thing} is available from our {person}. Children under {number} must be "
    "accompanied by an adult. Work on the {thing} is not affected. Last year {number} {group} took part. We discussed the "
    "{thing} with the {group} and our {person} in {city}. The {person} has checked the {thing} twice. We regret that we cannot offer "
    "{dish} this time. The {thing} was well received by the {group}. Some {group} have asked for {quality} information about the "
    "{thing}. All {group} will receive the {quality} {thing} in {number} weeks.",
    "zh": "如有不明之处，欢迎随时来信。由此带来的不便，敬请谅解。感谢大家一直以来的理解与支持。随函附上{thing}复印件一份。{quality}{thing}可向{person}索取。现附上表格{number}份，请认真填写。"
    "已完成的{thing}不受影响。去年共有{number}位{group}参加。我们与{city}的{group}讨论了这份{thing}。{person}已对{thing}检查两遍。您的意见对我们十分重要。本次不提供{dish}。"
    "部分{group}希望了解{quality}{thing}。{quality}{thing}受到{group}的好评。所有{group}将在{number}周内收到{quality}{thing}。{goods}的价格保持不变。期待您的回复。",
}
# Title, unit, labels, least and greatest value.
CHARTS = {
    "en": """Sales;thousand;month;20.0;900|Visitors per day;people;weekday;40;3000|Rainfall;mm;month;5.0;180|Turnover;million;quarter;1.0;60
Orders;pcs;city;20;2000|Temperature;°C;month;2.0;34|Electricity use;kWh;month;80;700|Members;people;year;50;5000|Stock;pcs;goods;5;300
Favourite lessons;pupils;lesson;3;40|Staff;people;department;3;90|Website visits;thousand;year;3.0;400|Spending;%;spending;2.0;38
Most popular dishes;portions;dish;10;400""",
    "zh": """各月销售额;万元;month;20.0;900|每日客流量;人次;weekday;40;3000|月降水量;毫米;month;5.0;180|各季度营业收入;百万元;quarter;1.0;60
各城市订单数;单;city;20;2000|月平均气温;℃;month;2.0;34|用电量;千瓦时;month;80;700|历年会员人数;人;year;50;5000|商品库存;件;goods;5;300
最喜欢的科目;人;lesson;3;40|各部门人数;人;department;3;90|网站访问量;千次;year;3.0;400|家庭支出比例;%;spending;2.0;38|最受欢迎的菜品;份;dish;10;400""",
}
