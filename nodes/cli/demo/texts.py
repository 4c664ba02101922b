"""What the story says, in Chinese and in English."""

from collections.abc import Mapping
from typing import Final

TEXTS: Final[Mapping[str, tuple[str, str]]] = {
    "title": (
        "授信 · 西南五省“跨省通办”窗口授信信任账本",
        "Shouxin · a trust ledger for windows that act for other provinces (跨省通办窗口授信)",
    ),
    "subtitle": (
        "五个真实节点，五个文件夹，五个数据库，互不信任。凡打勾处，均为读取节点后核对所得，并非预设。",
        "Five real nodes, five folders, five databases, none trusting another. Every tick below was "
        "read back from the nodes.",
    ),
    "setup": (
        "建网并启动五个节点，用时 {took:.1f} 秒。各日志由其余 4 省见证并镜像，法定签名数 {quorum}。",
        "Founded and started in {took:.1f} s. Each log is witnessed and mirrored by the 4 others; "
        "{quorum} make a quorum.",
    ),
    "setup.columns": ("代码|地区|节点地址|进程|文件夹", "code|region|node|process|folder"),
    "enrol.title": ("登记：窗口与人员", "Windows and officers enrol"),
    "enrol.about": (
        "各省把部门、大厅、窗口和经办人写入本省日志。人员只有编号，私钥由本省密钥库代管，并如实注明。",
        "Each region writes its departments, hall, windows and officers into its own log.",
    ),
    "enrol.progress": ("登记", "enrolling"),
    "enrol.held": (
        "{regions} 个地区共登记 {count} 个主体，并制发 5 枚须双人用印的电子印章",
        "{count} parties of {regions} regions stand on the ledger, and 5 seals that two people must use",
    ),
    "publish.title": ("事项：部门发布事项版本", "Departments publish what they decide"),
    "publish.about": (
        "材料、时限、可容缺清单随版本固定；办件引用所依据的版本。",
        "Papers and time limits are fixed by version; every case pins the one it is done under.",
    ),
    "publish.columns": ("事项|名称|主管部门|依据|来源", "item|name|decided by|document|source"),
    "publish.read": ("见公开文本", "published text"),
    "publish.illustrative": ("示意", "illustrative"),
    "publish.codes": (
        "事项编码均为虚构（99 开头），仅作示意。",
        "The twelve-digit item codes are made up (99…), for illustration only.",
    ),
    "grant.title": ("授信：西藏授权成都窗口", "Tibet lends the Chengdu window four rights"),
    "grant.about": (
        "授信须双方：主管部门授出，窗口一方接受，方才生效。审批决定权从不外借。",
        "A grant takes two: the department offers, the window's side accepts. The decision is never lent.",
    ),
    "grant.before": (
        "授信之前，成都窗口问“能否收件”，答：否（{code}）{why}",
        "Before: may Chengdu take in the papers? No ({code}). {why}",
    ),
    "grant.offered": ("西藏授出 {grant}", "Tibet offers {grant}"),
    "grant.mutual": (
        "只授出、未接受，仍为：否（{code}）",
        "Offered but not accepted, the answer is still no ({code})",
    ),
    "grant.after": (
        "成都接受之后，由成都本地副本即时回答：{why}",
        "Chengdu accepts; its own copy now answers: {why}",
    ),
    "grant.decide": (
        "问“能否审批”，答：否（{code}）{why}",
        "May it decide, too? No ({code}). {why}",
    ),
    "grant.all": (
        "五省两两互授，{count} 份授信全部生效",
        "Every pair of regions does the same: {count} grants are live",
    ),
    "cases.title": ("办件：{count} 件跨省办件", "{count} cases from the counter and back to it"),
    "cases.about": (
        "收件、告知、核验、移交、用印、决定、移交、送达、办结；{pairs} 个省际方向同时办理。",
        "Taken in, verified, handed over, sealed, decided, handed back, delivered; {pairs} directions "
        "at once.",
    ),
    "cases.progress": ("办理", "cases"),
    "cases.closed": (
        "{count} 件全部办结：{acts} 次操作，{took:.1f} 秒",
        "All {count} cases closed: {acts} acts in {took:.1f} s",
    ),
    "cases.lags": ("自提交起|次数|中位|95%", "from sending an act until it is|acts|median|95 %"),
    "word.accepted": ("本地已存 accepted", "accepted (durable in its region)"),
    "word.witnessed": ("已见证 witnessed", "witnessed (nobody can rewrite it)"),
    "word.replicated": ("已复制 replicated", "replicated (survives its region)"),
    "cases.agreed": (
        "{regions} 个节点对 {count} 件逐件一致：已办结、无人持有、无违规",
        "All {regions} nodes agree on each of the {count}: closed, held by nobody, no rule broken",
    ),
    "quiet.figures": (
        "无其他负载、一次一件（各 {count} 次）：本地已存 {accepted:.0f} 毫秒，已复制 {replicated:.0f} 毫秒（中位）",
        "One act at a time ({count} each): accepted in {accepted:.0f} ms, replicated in "
        "{replicated:.0f} ms (median)",
    ),
    "refuse.title": ("拒绝：无权不得办", "Without the right, no act; and the reason is given"),
    "refuse.about": (
        "规则由节点在写入前执行；拒绝时说明原因和下一步。",
        "Rules are applied before anything is written; a refusal says why.",
    ),
    "refuse.check": (
        "未获授信的 {window} 先问：否（{code}）{why}",
        "{window} asks first: no ({code}). {why}",
    ),
    "refuse.borrowed": (
        "它借用 1 号窗口的授信收件：拒绝（{code}）{why}",
        "It borrows the other window's grant: refused ({code}). {why}",
    ),
    "refuse.bare": (
        "它不引用授信直接收件：拒绝（{code}）{why}",
        "It names no grant at all: refused ({code}). {why}",
    ),
    "refuse.extra": (
        "贵阳窗口索要清单外的材料：拒绝（{code}）{why}",
        "Guiyang asks for a paper that is not on the list: refused ({code}). {why}",
    ),
    "refuse.decide": (
        "收件窗口自行审批：拒绝（{code}）{why}",
        "The receiving window decides by itself: refused ({code}). {why}",
    ),
    "refuse.personal": (
        "备注里写了手机号：拒绝（{code}）{why}",
        "A remark holds a phone number: refused ({code}). {why}",
    ),
    "revoke.title": ("撤销：授信撤回，下一次即被拒", "A grant is revoked, and the next use refused"),
    "revoke.about": (
        "撤销写在西藏的日志里，拒绝发生在四川的节点上。",
        "The revocation stands in Tibet's log; the refusal happens at Sichuan's node.",
    ),
    "revoke.used": (
        "{grant} 用过一次（四川第 {index} 条），随后西藏撤销",
        "{grant} is used once (entry {index} of Sichuan's log); then Tibet revokes it",
    ),
    "revoke.check": (
        "{took:.0f} 毫秒后四川已知撤销：{why}",
        "{took:.0f} ms later Sichuan knows. {why}",
    ),
    "revoke.refused": (
        "下一次使用被拒绝（{code}）{why}",
        "The next use is refused ({code}). {why}",
    ),
    "revoke.other": ("另一份授信 {grant} 不受影响", "The other grant, {grant}, is untouched"),
    "cut.title": ("断网：云南与各省失联", "Yunnan's link is cut"),
    "cut.about": (
        "写入从不等待外省，所以窗口照常办理；未经外省确认的，如实标明。",
        "Writing never waits for others, so its windows go on; what nobody confirmed yet is marked.",
    ),
    "cut.cut": (
        "断开云南与四省之间的全部连接（双向）",
        "Every connection between Yunnan and the four others is closed, both ways",
    ),
    "cut.accepted": (
        "昆明窗口照常收件 {count} 件；{acts} 条记录都只标为“本地已存”，等待“已复制”也不虚报",
        "Kunming takes in {count} cases all the same; their {acts} entries say accepted and no more, "
        "even when asked to wait",
    ),
    "cut.open": (
        "依据外省授信的 {count} 次使用均标为“待核”：尚无外省见过它们",
        "Its {count} uses of other regions' grants are marked open: nobody has seen them yet",
    ),
    "cut.check": (
        "“能否送达”仍答“是”：所据视图 {age} 秒前刚刷新，时效 {bound} 秒；超过后，收件类答“待核”，送达、决定类答“否”",
        "May it deliver? Still yes: its view is {age} s old, and {bound} s are allowed. Past that, "
        "intake becomes open and delivery no",
    ),
    "cut.unseen": (
        "其余 {count} 个节点此时确实没有这些办件",
        "The {count} other nodes know nothing of these cases meanwhile",
    ),
    "cut.others": (
        "其余四省不受影响：西藏一条新记录 {took:.0f} 毫秒即已复制，{lines} 省签名（法定 {quorum}）",
        "The others go on: an act of Tibet's is replicated in {took:.0f} ms with {lines} mirrors "
        "(quorum {quorum})",
    ),
    "cut.healed": (
        "断网 {lasted:.1f} 秒后接通；{took:.0f} 毫秒内全部补齐为“已复制”",
        "Joined again after {lasted:.1f} s; everything was replicated {took:.0f} ms later",
    ),
    "cut.settled": (
        "{count} 件随后办到底；断网期间的使用在五个节点上都转为“已核实”（{words}）",
        "The {count} cases run to their end; on all five nodes the uses made during the cut are {words}",
    ),
    "audit.title": ("审计：不信任任何节点", "An auditor who trusts nobody"),
    "audit.about": (
        "审计员在与此件无关的贵州查看 {case}，导出证据包，离线核验。",
        "At Guizhou, which has no part in it, an auditor traces {case} and exports its evidence.",
    ),
    "audit.reads": (
        "审计员的令牌只能读，不能写（{code}）",
        "The auditor's token reads and cannot write ({code})",
    ),
    "audit.verified": (
        "证据包 {size:.0f} KiB，含 {logs} 个日志的 {entries} 条记录；仅凭创世名册离线核验：成立，且经过与节点所述一致",
        "Bundle of {size:.0f} KiB, {entries} entries of {logs} logs: verifies offline from the genesis "
        "roster alone, and tells the same story",
    ),
    "audit.changed": (
        "改动其中一个字节：不成立（{step} 一步未通过）",
        "One byte changed: does not verify, at the step {step}",
    ),
    "alter.title": ("篡改：贵州节点数据库被改", "Somebody alters Guizhou's database"),
    "alter.about": (
        "有人直接改数据库，把一份“准予”改成“不予”。",
        "With the node stopped, a decision “granted” is turned into “refused”, on disk.",
    ),
    "alter.altered": (
        "已改动 {file} 的第 {index} 条记录，重新启动节点",
        "Entry {index} of {file} altered; the node is started again",
    ),
    "alter.halted": (
        "启动自检发现：状态 {state}，写入被拒（{code}）。{why}",
        "Its start-up check finds it: state {state}, writes refused ({code}). {why}",
    ),
    "alter.signs-nothing": (
        "它什么也不签：其余各省新记录凭 {lines} 个签名照常成立，其中没有贵州",
        "It signs nothing: the others go on with {lines} signatures, none of them Guizhou's",
    ),
    "alter.fsck": (
        "shouxin fsck 指出第 {index} 条",
        "shouxin fsck names entry {index}",
    ),
    "alter.mirror": (
        "与{mirror}的镜像比对，同样指出第 {index} 条",
        "Compared with the mirror at {mirror}: entry {index}, too",
    ),
    "alter.repaired": (
        "shouxin repair 从镜像取回原文（{source}），仅此一条",
        "shouxin repair fetches that one entry back from {source}",
    ),
    "alter.serves": (
        "重新启动后照常工作：第 {index} 条新记录已复制",
        "Started again, it serves: its new entry {index} is replicated",
    ),
    "lose.title": ("毁库：重庆节点被强杀，数据库被删", "Chongqing is killed and its database deleted"),
    "lose.about": (
        "数据库之外的“围栏”记得日志走到哪里；不到那里，节点一个字也不写。",
        "A fence outside the database remembers how far the log had come; before that, it writes nothing.",
    ),
    "lose.lost": (
        "kill -9，删除整个数据文件夹（{size} 条）；重新启动",
        "kill -9, and the whole data folder is gone ({size} entries); the node is started again",
    ),
    "lose.rebuilt": (
        "启动状态 {state}；从镜像取回全部 {size} 条并逐条核对，{took:.1f} 秒后恢复，树根不变",
        "It starts as “{state}”, fetches all {size} entries from the mirrors, checks every byte, and "
        "serves after {took:.1f} s: same root",
    ),
    "lose.resting": (
        "它已不记得签过什么，见证和镜像两把密钥从此停用：此后没有一条记录带有它的签名",
        "It no longer remembers what it cosigned, so its witness and mirror keys rest: no line of its "
        "own from then on",
    ),
    "lose.writes": (
        "它自己的日志继续增长：第 {index} 条已复制",
        "Its own log goes on: entry {index} is replicated",
    ),
    "lose.quorum": (
        "其余四省照常：{acts} 条新记录都凭恰好 {quorum} 个签名成立（{of} 个见证者中的法定数）",
        "The four others go on: {acts} new acts, each standing on exactly {quorum} lines of {of}, the "
        "quorum",
    ),
    "end.title": ("终局：五个节点所见", "What each node sees at the end"),
    "end.about": (
        "每一行是一个日志，每一列是一个节点所见的条数和树根。",
        "One row for each log; each column is what one node says of it: entries and root.",
    ),
    "end.log": ("日志", "log"),
    "end.same": (
        "五个节点对五个日志的条数和树根完全一致",
        "All five nodes hold all five logs with the same sizes and roots",
    ),
    "end.findings": (
        "五个节点查得的违规记录：{count} 条",
        "Findings on the five nodes: {count}",
    ),
    "end.fsck": (
        "shouxin fsck 复核五个数据库，全部无误",
        "shouxin fsck goes through all five databases again: all sound",
    ),
    "end.duration": (
        "故事用时 {took:.1f} 秒（不含建网与启动的 {setup:.1f} 秒）",
        "The story took {took:.1f} s, after {setup:.1f} s of set-up",
    ),
    "end.held": ("全部 {count} 项预期均成立。", "All {count} expectations held."),
    "end.failed": (
        "{failed} 项预期未成立（共 {count} 项）：",
        "{failed} of {count} expectations did not hold:",
    ),
    "stay": ("节点继续运行，按 Ctrl-C 结束。", "The nodes stay up. Press Ctrl-C to end."),
    "stay.folder": ("文件在 {folder}", "Everything lies in {folder}"),
    "stay.try": ("不妨一试：", "Try:"),
    "broken": ("故事中断：{why}", "The story broke off: {why}"),
}
