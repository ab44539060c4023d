"""The facts that documents state: what each is called, how it is asked for, and values such as people print."""

import datetime
import functools
import re
from dataclasses import dataclass
from random import Random

from faker import Faker


@dataclass(frozen=True)
class Fact:
    """By language: labels as printed, the noun phrase for questions, natural questions, and those about a `{row}` of a table."""

    labels: dict[str, tuple[str, ...]]
    noun: dict[str, str]
    ask: dict[str, tuple[str, ...]]
    ask_row: dict[str, tuple[str, ...]]


# key = English noun phrase, where it is not the key; labels, in Chinese after the noun phrase where it is not the first; questions.
CATALOGUE = """
invoice_number; Invoice No.|Invoice #|Invoice Number|Invoice no; 发票号码|发票号|发票编号
order_number; Order No.|Order #|Order Number|Order ID|Order; 订单号|订单编号|单号
receipt_number; Receipt No.|Receipt #|Rcpt|Trans. No.; 小票号|收据编号|流水号|小票编号
reference; Our ref.|Ref.|Reference|Your reference; 文号|编号|参考号
date; Date|DATE; 日期; When was this issued?|What is the date?|On which day was this issued?;
 日期是什么时候？|这是哪一天的？|是哪天开具的？
due_date; Due Date|Payment due|Due by|Pay by; 付款期限|付款截止日期|最迟付款日; When is payment due?|By when must this be paid?;
 最迟什么时候付款？|应在哪天之前付款？
time; Time|TIME|At; 时间|具体时间; At what time?|What time is given?|When does {row} begin?; 几点？|时间是几点？|{row}几点开始？
seller; Seller|From|Supplier|Sold by; 销售方|卖方|商家|供应商; Who is the seller?|Which shop or company sold this?; 卖方是谁？|是哪家开的？
buyer; Bill to|Buyer|Customer|Sold to|Invoice to; 购买方|买方|客户|客户名称; Who is the buyer?|Who is this billed to?; 买方是谁？|这是开给谁的？
phone = phone number; Phone|Tel.|Tel|Telephone|T; 电话|联系电话|电话号码|手机; Which number can I call?|What is the telephone number?;
 电话是多少？|打哪个电话？|联系电话是多少？
fax = fax number; Fax|F; 传真|传真号码
email = e-mail address; Email|E-mail|Mail; 邮箱|电子邮箱|电子邮件|E-mail; Which e-mail address is given?; 邮箱是多少？|发邮件到哪里？
website; Web|Website|Internet; 网址|网站|官网; Which website is given?|What is the web address?; 网址是多少？|官网是什么？
address; Address|ADDRESS; 地址|住址|联系地址|通讯地址; What is the address?|Which address is given?; 地址在哪里？|地址是什么？
subtotal; Subtotal|Sub-total|Net total|Net amount; 小计|商品小计|金额小计; How much is the subtotal?|What is the subtotal?; 小计是多少？
tax; Tax|VAT|Sales tax|GST; 税额|税金|增值税; How much is the tax?|How much tax is charged?; 税额是多少？|要交多少税？
tax_rate; Tax rate|VAT rate|Rate of tax; 税率|适用税率; At which rate is tax charged?|How high is the tax rate?; 税率是多少？|按多少税率征税？
discount; Discount|Promotion|You save; 优惠|折扣|优惠金额; How much is the discount?|How much was taken off?; 优惠了多少？|便宜了多少？
total; Total|TOTAL|Grand total|Total amount|Total due; 合计|总计|总金额|应付金额|价税合计; How much is it in total?|What does it all come to?;
 一共多少钱？|总共多少钱？|合计是多少？
amount_in_words; Amount in words|In words; 大写金额|合计大写|人民币大写
paid = amount paid; Paid|Amount tendered|Received; 实收|实付|已付金额|收款; How much was paid?|How much was handed over?; 付了多少钱？|实收多少？
change; Change|Change due|CHANGE; 找零|找回|找补; How much change was given?|How much was given back?; 找了多少钱？|找零是多少？
payment_method; Payment|Paid by|Payment method|Tender; 支付方式|付款方式|结算方式; How was it paid?|By which means?; 怎么付的款？|用什么方式支付？
cashier; Cashier|Served by|Operator|Server; 收银员|营业员|操作员; Who was the cashier?|Who served the customer?; 收银员是谁？|是谁收的款？
table_number; Table|Table No.|Tbl; 桌号|台号|餐桌; Which table was it?; 是几号桌？|坐哪一桌？
guests = number of guests; Guests|Covers|Pax; 人数|用餐人数|客数; How many guests were there?; 有几个人用餐？
bank; Bank|Bank name|Pay to bank; 开户行|开户银行|收款银行; Which bank is named?|At which bank is the account?; 开户行是哪家？|是哪家银行？
account = account number; Account|Account No.|A/C No.; 账号|银行账号|收款账号; Which account should be paid?; 账号是多少？|钱汇到哪个账号？
amount_due = amount owed; Amount due|Balance due|Sum due; 欠款|应缴金额|未付金额; How much is owed?|How much has to be paid?; 欠了多少钱？|要交多少钱？
name; Name|Full name|NAME; 姓名|名字; Who is this?|Whose name is given?|What is the person called?; 叫什么名字？|这是谁？|姓名是什么？
sex; Sex|Gender|M/F; 性别; Is the person male or female?; 是男还是女？
birth_date = date of birth; Date of birth|Born|DOB|Birth date; 出生日期|出生年月|出生|生日; When was the person born?; 什么时候出生的？|生日是哪天？
id_number = ID number; ID No.|Identity No.|Card No.|ID number|No.; 证件号码|证号|编号
nationality; Nationality|Citizenship; 国籍|国籍/地区; Which country is the person from?; 是哪国人？
ethnicity; Ethnic group|Ethnicity; 民族; Which ethnic group is named?; 是什么民族？
issue_date = date of issue; Issued|Date of issue|Issue date; 签发日期|发证日期|发布日期; When was it issued?|On which day was it issued?;
 什么时候签发的？|是哪天发布的？
valid_until = expiry date; Valid until|Expires|Valid thru|Expiry; 有效期至|有效期限至|有效期; Until when is it valid?|When does it expire?;
 有效期到什么时候？|什么时候过期？
job_title; Position|Job title|Role|Occupation; 职务|职位|岗位|职业; What is the person's job?|Which position does the person hold?;
 是什么职务？|做什么工作？
company; Company|Employer|Organisation; 单位|公司|工作单位|公司名称; Which company is named?|Who does the person work for?; 是哪家公司？|在哪里工作？
department; Department|Dept.|Division; 部门|所属部门|科室; Which department is named?; 是哪个部门？
school; School|College|Institution; 学校|学校名称|毕业院校; Which school is named?; 是哪所学校？
class; Class|Group|Form; 班级|所在班级; Which class is it?; 是哪个班？
education; Education|Qualification|Highest degree; 学历|文化程度
marital_status; Marital status|Civil status; 婚姻状况|婚否; Is the person married?; 结婚了吗？
emergency_contact; Emergency contact|In an emergency call; 紧急联系人; Who should be told in an emergency?; 紧急联系人是谁？
sender; From|Sender|FROM; 发件人|发件单位|寄件人|来自; Who sent this?|Who is it from?; 是谁发的？|发件人是谁？
recipient; To|Recipient|TO|Addressee; 收件人|收信人|致; Who is this addressed to?|Who is it for?; 是写给谁的？|收件人是谁？
subject; Subject|Re|SUBJECT|Concerning; 主题|事由|标题; What is it about?|What is the subject?; 是关于什么的？|主题是什么？
signatory; Signed|Signature|Signed by; 签名|签字|落款; Who signed this?|Whose signature is it?; 落款是谁？|是谁签的名？
deadline; Deadline|Closing date|Reply by|No later than; 截止日期|截止时间|最后期限; What is the deadline?|By when must it be done?;
 最晚什么时候？|截止到哪天？
event_date = date of the event; When|Day|Date of event; 举行日期|活动日期|举办日期; When does it take place?|On which day is it?; 哪天举行？|日期定在哪天？
place; Place|Venue|Where|Location; 地点|地方|场地; Where does it take place?|Where is it?; 在哪里举行？|地点在哪里？
contact = contact person; Contact|Contact person|Questions to; 联系人|负责人; Who is the contact?|Whom should I ask?; 联系人是谁？|找谁联系？
opening_hours; Opening hours|Open|Hours; 营业时间|开放时间; When is it open?|What are the opening hours?; 什么时候营业？|几点开门？
title; Title; 标题|题目; What is the title?|What is the heading?; 标题是什么？|题目是什么？
source; Source|Data; 数据来源|来源; Where do the figures come from?|Which source is named?; 数据来自哪里？
author; Author|Prepared by|Compiled by; 制表人|制表|编制人; Who prepared this?; 是谁制作的？
price; Price|Unit price|Each; 价格|单价|售价; How much is {row}?|What does {row} cost?; {row}多少钱？|{row}卖多少钱？
quantity; Qty|Quantity|Pcs; 数量|件数; How many of {row}?|How many {row} are listed?; {row}有多少？|{row}的数量是多少？
amount; Amount|Line total|Sum; 金额|小计金额|总价; How much is charged for {row}?|What is the amount for {row}?; {row}的金额是多少？
unit; Unit|Per|Sold per; 单位|计量单位; In which unit is {row} sold?; {row}按什么单位卖？
code; Code|Item No.|SKU|Art. No.; 货号|商品编码|编码; Which code has {row}?; {row}的编码是多少？
stock; In stock|Stock|On hand; 库存|库存量; How many {row} are in stock?; {row}还有多少库存？
value; Value; 数值; What is the value for {row}?|How much is it for {row}?; {row}是多少？|{row}的数值是多少？
mathematics = mathematics score; Maths|Mathematics; 数学成绩 = 数学; What did {row} score in mathematics?; {row}数学考了多少分？
language = language score; Literature|Language; 语文成绩 = 语文; What did {row} score in language?; {row}语文考了多少分？
english = English score; English; 英语成绩 = 英语; What did {row} score in English?; {row}英语考了多少分？
physics = physics score; Physics; 物理成绩 = 物理; What did {row} score in physics?; {row}物理考了多少分？
population; Population|Inhabitants; 人口|常住人口; How many people live in {row}?; {row}有多少人口？
area; Area|Area (sq km); 面积|土地面积; How large is {row}?; {row}面积有多大？
last_year = figure for last year; Last year|Previous; 去年数 = 上年|去年; How much was {row} last year?; {row}去年是多少？
this_year = figure for this year; This year|Current; 今年数 = 本年|今年; How much is {row} this year?; {row}今年是多少？
destination; Destination|To|Going to; 终点站|到达站|开往; Where does {row} go?; {row}开往哪里？
departure = departure time; Departs|Departure|Dep.; 发车时间|开车时间|出发; When does {row} leave?; {row}几点发车？|{row}什么时候开？
arrival = arrival time; Arrives|Arrival|Arr.; 到达时间|到站时间|到达; When does {row} arrive?; {row}几点到？|{row}什么时候到？
platform; Platform|Plat.|Gate|Track; 站台|检票口|候车室; From which platform does {row} leave?; {row}在哪个站台？
room; Room|Hall; 房间|教室|会议室; In which room is {row}?; {row}在哪个房间？
speaker; Speaker|Presented by|Led by; 主讲人|主持人; Who presents {row}?; {row}由谁主讲？
version; Version|Build|Software version; 版本|版本号|软件版本; Which version is it?|Which version of {row} is it?; 是什么版本？|版本号是多少？
status; Status|State|Current status; 状态|当前状态; What is the status?|What is the state of {row}?; 现在是什么状态？|{row}现在是什么状态？
error_code; Error code|Code|Error; 错误代码|错误码; Which error code is shown?; 错误代码是多少？
user = user name; User|Account name|Signed in as; 用户名|用户|当前用户; Who is signed in?|What is the user name?; 登录的用户是谁？
device; Device|Model|Device name; 设备名称|型号|本机型号; Which device is it?; 是什么设备？
storage; Storage|Capacity|Space used; 存储空间|已用空间; How much storage is shown?; 存储空间是多少？
battery = battery level; Battery|Charge; 电池电量|电量; How full is the battery?; 还有多少电？
network; Network|Wi-Fi|Connected to; 网络|无线网络|已连接网络; Which network is it connected to?; 连的是哪个网络？
size; Size|File size; 大小|文件大小; How large is {row}?; {row}有多大？
modified = date modified; Modified|Last changed; 修改日期|修改时间; When was {row} last changed?; {row}是什么时候修改的？
"""
CATALOGUE += "".join(
    f"{day.lower()} = lesson on {day}; {day}|{day[:3]}; 星期{n}的课 = 星期{n}|周{n}; Which lesson is in {{row}} on {day}?; 星期{n}{{row}}上什么课？\n"
    for day, n in zip(("Monday", "Tuesday", "Wednesday", "Thursday", "Friday"), "一二三四五")
)

# One of these; a # is a digit and a ~ a letter.
PATTERNS = """
invoice_number; INV-#####|INV#######|####-###|~~-######|2#######; ########|####################|FP########|No.########
order_number; #######|PO-####|~~#####|###-#######-#######|W########; 20##########|DD########|################|~~########
receipt_number; ######|R-#####|####/####|0####; ########|0#######|SN#######|####-####
reference; ~~/###/##|REF-#####|#####/~|~~~-####; 〔202#〕##号|第###号|~~-####|202####号
fax; (###) 555-01##|+44 20 7946 0###; 010-8#######|0755-2#######|021-6#######
tax_rate; 5%|7.5%|8.25%|10%|17.5%|20%|19%; 1%|3%|6%|9%|13%
payment_method; Visa|Mastercard|Credit card|Debit card|Bank transfer|Contactless|Gift card|Visa ****####;
 微信支付|支付宝|银行卡|银联卡|会员卡|转账|云闪付|数字人民币
table_number; #|##|~#|T##; #|##|~#|##号|包间#|大厅##
guests; #|1#; #|#人|#位|1#人
bank; First National Bank|Barclays|Lloyds Bank|Citizens Bank|Harbour Savings Bank|Union Bank|Bank of Ireland|Chase;
 中国工商银行|中国建设银行|中国农业银行|招商银行|交通银行|中国银行|兴业银行|平安银行|北京银行
account; ########|####-####-####|GB## ~~~~ #### #### #### ##|### ### ###; 6222 #### #### #### ###|62#################|#### #### #### ####
sex; Male|Female|M|F; 男|女
id_number; ~########|###-##-####|#### #### ####|~~###~##|S#######; 20########|~########|No.######|########
nationality; British|American|Irish|Canadian|Indian|Australian|French|German|Chinese|Brazilian|Kenyan|Polish;
 中国|美国|英国|法国|德国|日本|韩国|新加坡|加拿大|马来西亚
ethnicity; White|Asian|Black|Mixed; 汉|汉|汉|回|满|壮|苗|彝|土家|蒙古|藏|维吾尔
job_title; Sales Manager|Software Engineer|Accountant|Head of Design|Nurse|Project Manager|Architect|Teacher|Chief Executive|Director|
 Marketing Assistant|Electrician|Research Fellow|Office Manager|Lawyer|Buyer|Driver|Chef|Data Analyst|Technician;
 经理|销售总监|软件工程师|会计|设计师|护士|项目经理|建筑师|教师|总经理|市场专员|电工|研究员|办公室主任|律师|采购员|司机|厨师|数据分析师|技术员|董事长
department; Sales|Accounts|Human Resources|Research|Customer Service|Engineering|Marketing|Purchasing|Legal|Logistics|Training|IT;
 销售部|财务部|人力资源部|研发部|客户服务部|工程部|市场部|采购部|法务部|物流部|培训部|信息中心|生产部|质检科|行政办公室
class; #~|Year #|Group #|Grade #~; #年级(#)班|高一(#)班|初二(#)班|计算机2##班|会计2##班|软件工程#班
education; Bachelor's degree|Master's degree|High school|Diploma|PhD|Vocational training; 本科|大专|硕士|博士|高中|中专
marital_status; Single|Married|Divorced|Widowed; 未婚|已婚|离异
place; Room ###|Main Hall|Conference Room ~|Building #, Room ##|Lecture Theatre #|Riverside Community Centre|Town Hall|City Library|
 Sports Centre, Hall #|Car Park ~|Canteen, Floor #|Meeting Room #;
 ###会议室|一楼大厅|学术报告厅|#号楼##室|多功能厅|社区活动中心|市图书馆|体育馆#号场地|##层培训室|东门广场|第#会议室|办公楼###室|小礼堂
opening_hours; Mon-Fri 9:00-17:30|Daily 8 am - 10 pm|Tue-Sun 11:00-22:00|Mon-Sat 9:30-18:00|Open 24 hours|Weekdays 8:30-16:45;
 9:00-21:00|周一至周五 8:30-17:30|每天 10:00-22:00|24小时营业|8:00-20:00|周二至周日 9:30-16:30
source; Annual report|Office of Statistics|Customer survey|Internal figures|Ministry of Trade|Company accounts|Field measurements;
 国家统计局|公司年报|客户调查|内部统计|市统计局|财务报表|问卷调查|行业协会
version; #.#.#|#.##|v#.#.##|20##.#|##.#.# (####); #.#.#|V#.#|##.#.#|v#.#.##|#.#.#正式版
status; Active|Connected|Completed|Failed|Pending|Offline|Up to date|Shipped|Delivered|Paused|In progress;
 已完成|进行中|已连接|失败|等待中|离线|已是最新|已发货|已签收|已暂停|正常|待付款
error_code; 0x8007####|E-####|###|ERR_####|#~~##; 0x8007####|E####|###|ERR-####|-####
user; admin|guest##|jsmith|m.brown|user####|a_taylor##; 管理员|游客####|user####|小明####|访客|admin
device; Desktop-####|Printer ~##|Router ~~-###|Tablet #|Phone ## Pro|Scanner ###; 打印机~##|路由器~~-###|平板电脑#|手机##Pro|台式机####
storage; ## GB of ### GB|### GB|#.# TB|##.# GB free; ##GB/###GB|###GB|#.#TB|剩余##.#GB
battery; ##%; ##%
network; Home-####|Office WiFi|Guest_##|Library Free|~~_##~#; Home-####|办公室WiFi|Guest_##|图书馆免费网络|CMCC-####|TP-LINK_####
size; ### KB|#.# MB|## MB|#.## GB; ###KB|#.#MB|##MB|#.##GB
platform; #|##|#~; #|##|#站台|~##
room; Room ##|Room ###|Hall ~|Studio #; ###室|第#会议室|~###|报告厅#
code; ~~###|######|##-###; ~~###|######|690########
unit; pc|box|h|set|pack|kg; 个|箱|件|套|包|斤
"""
NAMES = """
goods; Green tea|Black coffee|Olive oil|Brown bread|Whole milk|Orange juice|Butter|Rice|Cheddar cheese|Apples|Bananas|Tomatoes|Potatoes|
 Onions|Eggs|Honey|Oats|Dark chocolate|Crisps|Bottled water|Yoghurt|Strawberry jam|Soap|Shampoo|Toothpaste|Paper towels|Light bulb|
 Notebook|Stapler|Ballpoint pen|Envelopes|Printer paper|Desk lamp|Office chair|Keyboard|Mouse pad|USB cable|Monitor stand|Headphones|
 Backpack|Umbrella|Hammer|Water bottle|Screwdriver set|Paint brush|Garden hose|Flower pot|Dog food|Batteries|T-shirt|Wool socks|Raincoat;
 绿茶|红茶|花生油|全麦面包|纯牛奶|橙汁|酱油|大米|面粉|苹果|香蕉|西红柿|土豆|洋葱|鸡蛋|蜂蜜|燕麦片|巧克力|薯片|矿泉水|酸奶|草莓酱|香皂|洗发水|牙膏|抽纸|节能灯|笔记本|圆珠笔|订书机|信封|打印纸|台灯|办公椅|键盘|鼠标垫|数据线|显示器|耳机|
 双肩包|雨伞|保温杯|螺丝刀|铁锤|油漆刷|水管|花盆|狗粮|电池|衬衫|羊毛袜|雨衣
dish; Tomato soup|Caesar salad|Fish and chips|Beef burger|Roast chicken|Mushroom risotto|Margherita pizza|Lamb curry|Vegetable lasagne|
 Pad thai|Grilled salmon|Onion rings|Garlic bread|Pancakes|Club sandwich|Chicken wings|Spring rolls|Fried rice|Apple pie|Cheesecake|
 Ice cream|Omelette|Chocolate brownie|Espresso|Cappuccino|Lemonade|Iced tea|House red wine|Craft beer|Hot chocolate|Mango smoothie|
 Porridge;
 宫保鸡丁|鱼香肉丝|麻婆豆腐|红烧牛肉|糖醋排骨|清蒸鲈鱼|回锅肉|番茄炒蛋|水煮鱼|北京烤鸭|小笼包|扬州炒饭|牛肉拉面|酸辣汤|凉拌黄瓜|干煸豆角|蒜蓉西兰花|土豆烧肉|葱油拌面|担担面|白切鸡|东坡肉|地三鲜|酸菜鱼|口水鸡|蛋花汤|米饭|馒头|春卷|豆浆|珍珠奶茶|
 柠檬水|酸梅汤|青岛啤酒|菊花茶|红豆沙|杏仁豆腐
service; Consulting|Delivery|Installation|Translation|Website design|Repair work|Office cleaning|Training day|Software licence|Hosting|
 Room hire|Annual service|Printing|Photography|Legal advice|Garden care;
 咨询服务费|运输费|安装费|翻译费|网站设计|维修费|保洁服务|技术培训|软件授权|服务器租用|场地租赁|年度保养|印刷费|摄影服务|法律咨询|绿化养护|广告制作|会议服务
city; London|Leeds|York|Bristol|Oxford|Boston|Denver|Chicago|Dallas|Seattle|Dublin|Cardiff|Glasgow|Toronto|Sydney|Paris|Berlin|Madrid|
 Rome|Vienna; 北京|上海|广州|深圳|杭州|南京|成都|重庆|武汉|西安|长沙|青岛|苏州|天津|郑州|合肥|昆明|济南|大连|厦门|福州|沈阳|兰州|贵阳|哈尔滨|南昌
month; Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec; 1月|2月|3月|4月|5月|6月|7月|8月|9月|10月|11月|12月
weekday; Mon|Tue|Wed|Thu|Fri|Sat|Sun; 周一|周二|周三|周四|周五|周六|周日
quarter; Q1|Q2|Q3|Q4; 第一季度|第二季度|第三季度|第四季度
lesson; Maths|Art|Music|History|Physics|Sports|Biology|Chemistry|Geography|English; 数学|语文|英语|物理|化学|生物|历史|地理|音乐|美术|体育|政治
spending; Rent|Food|Travel|Clothes|Energy|Health|Leisure|Savings|Insurance; 房租|饮食|交通|服装|水电|医疗|娱乐|储蓄|教育
session; Opening|Keynote|Workshop|Panel discussion|Coffee break|Poster session|Lunch|Guided tour|Product demo|Awards|Closing remarks;
 开幕式|主题报告|分组讨论|圆桌论坛|茶歇|海报展示|午餐|现场参观|产品演示|颁奖典礼|闭幕式
file; report|budget|photo|invoice|notes|plan|backup|slides|minutes|contract; 报告|预算|照片|发票|笔记|计划|备份|课件|会议纪要|合同
thing; report|contract|proposal|machine|catalogue|brochure|study|project|programme|survey|manual|sample|review|agreement|budget|schedule;
 报告|合同|方案|设备|目录|手册|研究|项目|计划|调查|说明书|样品|评审|协议|预算|日程|档案|图纸|系统|课程
person; manager|engineer|receptionist|assistant|accountant|caretaker|secretary|technician|colleague|representative|librarian|adviser;
 经理|工程师|前台|助理|会计|管理员|秘书|技术员|同事|业务代表|馆员|顾问|班主任|值班人员|施工队长
quality; new|careful|detailed|useful|short|complete|recent|thorough|final|simple|second|modern|printed|practical|annual|local;
 新的|详细的|有用的|简短的|完整的|最新的|全面的|可靠的|现代化的|安静的|实用的|年度|本地的|必要的|专业的
group; residents|members|customers|students|visitors|staff|parents|tenants|volunteers|neighbours|guests|drivers;
 居民|会员|客户|同学|游客|员工|家长|租户|志愿者|邻居|来宾|司机|读者|业主|师生
road; Station|Mill|Church|Park|High|Victoria; 人民|中山|解放|建设|和平|文化|长江|黄河|朝阳|学院|迎宾|滨河|文三|南京|复兴|光明|新华|胜利|团结|桃园|梅林|古城|银杏|石桥
shop; Hardware|Books|Grocery|Pharmacy|Market|Stationery|Garden Centre|Supermarket|Store; 超市|便利店|百货|书店|大药房|文具店|五金店|生鲜超市
eatery; Bakery|Deli|Kitchen|Coffee House|Grill|Bistro|Tea Room|Diner; 餐厅|面馆|茶楼|家常菜馆|烘焙坊|火锅店|咖啡馆|酒楼
trade; Engineering|Trading|Foods|Textiles|Logistics|Software|Printing|Furniture|Motors|Interiors|Electronics|Media|Consulting;
 科技|贸易|软件|食品|建筑工程|物流|电子|机械制造|文化传媒|服装|医疗器械|家具|环保设备|咨询|印刷|汽车配件|农业|化工
learning; College|University|High School|Primary School|Technical College|Academy; 大学|师范大学|职业技术学院|第一中学|实验小学|理工大学|外国语学校
"""
GIVEN = "安博彩晨春丹东芳飞凤刚光国海浩和红洪华慧佳建健江杰洁金晶静军俊凯康兰磊丽亮林玲龙美敏明娜楠宁鹏平强青庆琴荣瑞森山尚诗树爽思涛天婷伟文武霞祥晓心欣新雪雅艳阳洋毅英勇宇雨玉源月悦云志智忠珠卓子"
BRANDS = (
    "安邦博采长诚创达德鼎东方丰福光广国海和恒宏华汇佳金锦京凯康乐利联龙美明南诺鹏祺清荣瑞盛顺泰天通万旺新信星雅亿永优裕元远云泽展正中众卓"
)
DISTRICTS = "鼓楼|西湖|朝阳|海淀|江宁|武侯|福田|天河|越秀|雁塔|岳麓|洪山|历下|市南|和平|高新|开发|新城|长安|城关"
PEOPLE = "cashier sender recipient signatory contact emergency_contact author speaker".split()


def words(text: str) -> list[str]:
    """The alternatives of a list written `a|b|c`."""
    return text.split("|") if text else []


def _fields(text: str) -> list[list[str]]:
    """The fields of each entry; an entry goes on in lines that begin with a space."""
    return [[field.strip() for field in entry.replace("\n ", "").split(";")] for entry in re.split(r"\n(?! )", text.strip())]


def _fact(head: str, en: str, zh: str, ask_en: str = "", ask_zh: str = "") -> tuple[str, Fact]:
    key, _, noun = head.partition(" = ")
    asks = {"en": words(ask_en), "zh": words(ask_zh)}
    whole, row = ({lang: tuple(q for q in ask if ("{row}" in q) == of) for lang, ask in asks.items()} for of in (False, True))
    first, _, rest = zh.partition(" = ")
    labels = {"en": tuple(words(en)), "zh": tuple(words(rest or first))}
    return key, Fact(labels, {"en": noun or key.replace("_", " "), "zh": words(first)[0]}, whole, row)


FACTS: dict[str, Fact] = dict(_fact(*fields) for fields in _fields(CATALOGUE))
FORMS = {key: {"en": words(en), "zh": words(zh)} for key, en, zh in _fields(PATTERNS)}
LISTS = {key: {"en": words(en), "zh": words(zh)} for key, en, zh in _fields(NAMES)}


@functools.cache
def _faker(locale: str) -> Faker:
    return Faker(locale)


def gb2312(text: str) -> bool:
    """Whether all characters are in GB 2312, signs of currencies and the times sign aside."""
    return not any(c not in "¥€£×" and not c.encode("gb2312", "ignore") for c in text)


class Values:
    """Values for one document: one company, one currency, one way to write dates, times and amounts throughout."""

    def __init__(self, random: Random, lang: str):
        self.random, self.lang, zh = random, lang, lang == "zh"
        self.british = british = not zh and random.random() < 0.5
        self.fake = _faker("zh_CN" if zh else "en_GB" if british else "en_US")
        self.fake.seed_instance(random.getrandbits(32))
        self.day = datetime.date(2012, 1, 1) + datetime.timedelta(random.randrange(365 * 16))
        self.born = datetime.date(random.randint(1940, 2008), random.randint(1, 12), random.randint(1, 28))
        self.clock = random.choice(("{h}:{m:02}", "{h:02}:{m:02}", "{half}{t}:{m:02}" if zh else "{t}:{m:02} {half}"))
        self.halves = self.pick("am pm|AM PM", "上午 下午").split()
        numbers = "{d:02}/{m:02}/{y}" if british else "{m:02}/{d:02}/{y}"
        spelt = "{d} {month} {y}|{d} {mon} {y}" if british else "{month} {d}, {y}|{mon} {d}, {y}"
        english = f"{spelt}|{spelt}|{numbers}|{numbers}|{{y}}-{{m:02}}-{{d:02}}|{{d:02}}-{{mon}}-{{y}}|{{wd}} {{d}} {{mon}} {{y}}"
        chinese = "{y}年{m}月{d}日|{y}年{m}月{d}日|{y}年{m:02}月{d:02}日|{y}-{m:02}-{d:02}|{y}/{m}/{d}|{y}.{m:02}.{d:02}"
        self.dates = self.pick(english, chinese)
        self.sign = self.pick("£{}|£{}|€{}|{}" if british else "${}|${}|$ {}|USD {}|€{}|{}", "¥{}|¥{}|￥{}|{}元|{}")
        self.thousands = self.pick(",", "|,")
        self.whole = False  # amounts without cents are printed without them
        syllables = "bo|chang|da|feng|hai|hua|jin|kang|long|ming|rui|tai|xin|yuan"
        brand = self.pick("", syllables) + self.pick("", syllables) if zh else re.sub("[^a-z]", "", self.fake.last_name().lower())
        ends = self.pick("com|net|org|" + ("co.uk" if british else "us"), "com|cn|net|com.cn")
        self.domain = f"{brand}{self.pick('|tech|shop|group|online', '|tech|123|888|-cn')}.{ends}"

    def __call__(self, key: str) -> str:
        """A value for a fact; asked again, another one."""
        if key in FORMS:
            return self.pattern(FORMS[key][self.lang])
        return getattr(self, "name" if key in PEOPLE else {"seller": "shop", "buyer": "company"}.get(key, key))()

    def pick(self, en: str, zh: str) -> str:
        """One of the alternatives `a|b|c` of the document's language."""
        return self.random.choice((zh if self.lang == "zh" else en).split("|"))

    def one(self, of: str) -> str:
        """A name from a list."""
        return self.random.choice(LISTS[of][self.lang])

    def pattern(self, patterns: list[str]) -> str:
        """One of the patterns, filled in; no number begins with 0."""
        text = re.sub(r"(?<![#.\d])#", lambda _: str(self.random.randint(1, 9)), self.random.choice(patterns))
        text = re.sub("#", lambda _: str(self.random.randrange(10)), text)
        return re.sub("~", lambda _: self.random.choice("ABCDEFGHJKLMNPRSTUVWXYZ"), text)

    def money(self, cents: int, sign: bool = True) -> str:
        """An amount, with the document's currency or bare."""
        digits = f"{abs(cents) / 100:{self.thousands}.{0 if self.whole and cents % 100 == 0 else 2}f}"
        return ("-" if cents < 0 else "") + (self.sign if sign else "{}").format(digits)

    def written(self, day: datetime.date) -> str:
        """A day in the document's way of writing dates."""
        return self.dates.format(y=day.year, m=day.month, d=day.day, month=f"{day:%B}", mon=f"{day:%b}", wd=f"{day:%a}")

    def later(self, low: int, high: int) -> datetime.date:
        """A day `low` to `high` days after the document's."""
        return self.day + datetime.timedelta(self.random.randint(low, high))

    def date(self) -> str:
        return self.written(self.day)

    issue_date = date

    def modified(self) -> str:
        return self.written(self.later(-400, 0))

    def due_date(self) -> str:
        return self.written(self.later(7, 60))

    def valid_until(self) -> str:
        return self.written(self.later(200, 3600))

    def birth_date(self) -> str:
        return self.written(self.born)

    def event_date(self) -> str:
        return self._near(2, 28)

    def deadline(self) -> str:
        return self._near(29, 60)

    def _near(self, low: int, high: int) -> str:
        day = self.later(low, high)
        weekday = (
            f"{day.month}月{day.day}日（星期{'一二三四五六日'[day.weekday()]}）" if self.lang == "zh" else f"{day:%A} {day.day} {day:%B}"
        )
        return self.random.choice((self.written(day), weekday))

    def time(self) -> str:
        hour, minute = self.random.randrange(8, 21), self.random.choice((0, 15, 30, self.random.randrange(60)))
        return self.clock.format(h=hour, t=(hour - 1) % 12 + 1, m=minute, half=self.halves[hour >= 12])

    def amount_due(self) -> str:
        return self.money(self.random.randrange(1000, 500000))

    def name(self) -> str:
        if self.lang == "zh":
            given = "".join(self.random.sample(GIVEN, self.random.choice((1, 2, 2))))
            made = (self.fake.last_name() + given if self.random.random() < 0.6 else self.fake.name() for _ in range(100))
            return next(name for name in made if gb2312(name))
        middle = f" {self.random.choice('ABCDEFGHJKLMNPRSTW')}." if self.random.random() < 0.15 else ""
        return f"{self.fake.first_name()}{middle} {self.fake.last_name()}"

    def company(self) -> str:
        brand = "".join(self.random.sample(BRANDS, 2))
        form = self.pick(
            "Ltd|Limited|plc|& Co." if self.british else "Inc.|LLC|Corp.|Group", "有限公司|有限公司|股份有限公司|有限责任公司|集团"
        )
        if self.lang == "zh":
            return f"{self.one('city')}{self.pick('', '市|')}{brand}{self.one('trade')}{form}"
        return self.random.choice((self.fake.company(), f"{self.fake.last_name()} {self.one('trade')} {form}"))

    def shop(self, of: str = "shop") -> str:
        """Where one buys, or eats: a `shop` or an `eatery`."""
        if self.lang == "zh":
            branch = self.random.choice(("", f"（{self.one('road')}路店）", f"（{self.one('city')}店）"))
            return "".join(self.random.sample(BRANDS, 2)) + self.one(of) + branch
        fancy = "The " + self.pick("Green|Golden|Old|Little|Blue|Red", "") + self.pick(" Fox| Lantern| Table| Oak| Swan| Mill", "")
        owner = self.random.choice((self.fake.last_name() + "'s", self.fake.city(), fancy))
        return f"{owner} {self.one(of)}"

    def school(self) -> str:
        return self.one("city") + ("" if self.lang == "zh" else " ") + self.one("learning")

    def address(self) -> str:
        number = self.random.randint
        if self.lang == "zh":
            end = self.pattern(["", "", "#栋#0#室", "1#栋1#0#室", "A座1#层", "B座#层"])
            street = self.one("road") + self.pick("", "路|街|大道|东路|北路")
            return f"{self.one('city')}市{self.random.choice(words(DISTRICTS))}区{street}{number(1, 999)}号{end}"
        state = "" if self.british else f"{self.fake.state_abbr()} "
        return f"{number(1, 299)} {self.fake.street_name()}, {self.fake.city()}, {state}{self.fake.postcode()}"

    def phone(self) -> str:
        english = "(###) 555-01##|###-555-01##|1-800-555-01##|+1 ### 555 01##|###.555.01##"
        if self.british:
            english = "020 7946 0###|+44 20 7946 0###|0161 496 0###|07700 900###|+44 (0)117 496 0###"
        chinese = "13#########|15#########|18# #### ####|13#-####-####|010-6#######|0571-8#######|021-5### ####|400-8##-####"
        return self.pattern([self.pick(english, chinese)])

    def email(self) -> str:
        desk = self.random.choice(("info", "office", "contact", "sales", "service", "hello", "mail"))
        return f"{desk if self.random.random() < 0.5 else self.fake.user_name()}@{self.domain}"

    def website(self) -> str:
        return self.random.choice(("www.", "www.", "https://www.", "https://")) + self.domain + self.pick("|||/en|/shop", "|||/cn|/index")
