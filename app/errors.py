"""Every refusal that a user may meet: its stable code, HTTP status and Chinese message, in one place.

The table is listed in docs/errors.md by `flask docs`; a code never changes its meaning.
"""

from __future__ import annotations

from typing import Any


class DomainError(Exception):
    """A business act was refused and undone.

    Args:
        code: a key of ERRORS.
        fields: messages by field name, for forms.
        headers: extra HTTP headers, such as Retry-After.
        details: values for the message's placeholders; they also travel in the answer.
    """

    def __init__(
        self,
        code: str,
        *,
        fields: dict[str, list[str]] | None = None,
        headers: dict[str, str] | None = None,
        **details: Any,
    ) -> None:
        self.code = code
        self.status, template = ERRORS[code]
        self.message = template.format(**details)
        self.fields = fields or {}
        self.headers = headers or {}
        self.details = details
        super().__init__(code)

    def problem(self) -> dict[str, Any]:
        """Returns the RFC 9457 members of this refusal."""
        body: dict[str, Any] = {
            "type": f"/api/docs#{self.code}",
            "title": self.message,
            "status": self.status,
            "code": self.code,
        }
        if self.fields:
            body["fields"] = self.fields
        if self.details:
            body["details"] = self.details
        return body


def by_field(messages: Any, prefix: str = "") -> dict[str, list[str]]:
    """Returns marshmallow's nested messages as {"attendees.0.phone": ["…"]}, without webargs' location."""
    flat: dict[str, list[str]] = {}
    if not isinstance(messages, dict):
        return {prefix or "_": [str(m) for m in messages]}
    for name, inner in messages.items():
        here = "" if not prefix and name in ("json", "query", "files", "form") else f"{prefix}{name}"
        if isinstance(inner, dict):
            flat |= by_field(inner, f"{here}." if here else "")
        else:
            flat[here.rstrip(".") or "_"] = [str(m) for m in inner]
    return flat


ERRORS: dict[str, tuple[int, str]] = {
    # the request itself
    "bad_request": (400, "请求无法理解"),
    "malformed_json": (400, "请求内容不是有效的 UTF-8 JSON"),
    "invalid_cursor": (400, "翻页参数无效，请从第一页重新查询"),
    "validation_failed": (422, "填写的内容有误，请按提示修改"),
    "body_too_large": (413, "提交的内容过大"),
    "unsupported_media_type": (415, "请以 application/json 提交"),
    "method_not_allowed": (405, "该地址不支持这种操作"),
    "form_expired": (400, "页面停留过久或不是由本系统打开，请返回后刷新页面再提交"),
    "not_found": (404, "没有找到，或您无权查看"),
    "rate_limited": (429, "操作过于频繁，请 {retry_after} 秒后再试"),
    "internal_error": (500, "系统出错，已记录，请稍后重试"),
    "unavailable": (503, "服务暂时不可用，请稍后重试"),
    "idempotency_key_reused": (422, "同一个 Idempotency-Key 已用于另一个请求"),
    # signing in
    "sign_in_required": (401, "请先登录"),
    "token_expired": (401, "登录已过期，请刷新或重新登录"),
    "refresh_token_invalid": (401, "登录已失效，请重新登录"),
    "permission_denied": (403, "您没有此项操作的权限"),
    "login_code_invalid": (400, "登录凭证无效或已使用，请重新进入小程序"),
    "phone_code_invalid": (400, "手机号授权凭证无效或已使用，请重新授权"),
    "wechat_account_restricted": (403, "该微信账号被平台限制登录"),
    "wechat_unavailable": (503, "微信接口暂时不可用，请稍后重试"),
    "consent_required": (403, "请先阅读并同意隐私政策（版本 {version}）"),
    "consent_outdated": (409, "隐私政策已更新为版本 {version}，请重新阅读并同意"),
    "account_closing": (403, "账号正在注销，将于 {date} 前完成；如需保留请先撤销注销申请"),
    "phone_in_use": (409, "该手机号已绑定其他账号"),
    "phone_required": (409, "请先绑定手机号"),
    "phone_invalid": (422, "手机号不正确"),
    "staff_sign_in_failed": (403, "用户名或密码错误"),
    "staff_locked": (403, "连续输错次数过多，账号已锁定，请 {retry_after} 秒后再试"),
    "sign_in_step": (409, "请按登录页面提示的步骤进行"),
    "code_wrong": (422, "动态口令或恢复码不正确，或已使用过"),
    "password_wrong": (422, "当前密码不正确"),
    "password_too_weak": (
        422,
        "密码至少 8 位，含大写字母、小写字母、数字、符号中的三类，且不得包含用户名或与原密码相同",
    ),
    "scan_request_gone": (410, "二维码已失效，请在电脑上刷新后重新扫描"),
    "wechat_not_bound": (409, "此微信未绑定工作人员账号，请先用密码登录后在“我的账号”中绑定"),
    "wechat_already_bound": (409, "此微信已绑定另一账号"),
    "account_disabled": (409, "账号已停用"),
    "login_name_taken": (409, "用户名已存在"),
    "role_conflict": (409, "系统管理员、审计员与业务角色不得由同一人兼任"),
    "scope_unknown": (422, "授权范围不存在"),
    "own_account": (409, "不能对自己的账号进行此项操作"),
    "last_administrator": (409, "至少要保留一名在用的系统管理员"),
    "name_taken": (409, "已有同名单位"),
    # enterprises
    "credit_code_length": (422, "统一社会信用代码应为 18 位"),
    "credit_code_characters": (422, "统一社会信用代码含有不允许的字符（不使用 I、O、Z、S、V）"),
    "credit_code_prefix": (422, "统一社会信用代码的登记管理部门或机构类别不正确"),
    "credit_code_check_digit": (422, "统一社会信用代码校验位不正确，请核对营业执照"),
    "credit_code_override_needless": (409, "该统一社会信用代码校验位正确，无需特批，请由企业自行登记"),
    "enterprise_exists": (409, "该企业已登记，请申请加入"),
    "industry_unknown": (422, "行业代码不在国民经济行业分类（GB/T 4754-2017）中"),
    "size_figures_missing": (422, "划型还需要填写：{missing}"),
    "division_unknown": (422, "所属辖区不存在"),
    "cluster_unknown": (422, "产业集群（链）不存在"),
    "held_certificate_exists": (409, "该证书编号已登记，请在原记录上修改"),
    "enterprise_not_eligible": (409, "企业当前状态为“{state}”，不能进行此项操作"),
    "enterprise_merged": (409, "该企业已并入“{name}”（{credit_code}），请改用后者办理"),
    "merge_with_itself": (422, "不能与自身合并，请选择另一家企业"),
    "illegal_move": (409, "当前状态为“{current}”，不能改为“{target}”"),
    "reason_required": (422, "请填写原因"),
    "invitation_invalid": (410, "邀请码无效、已使用或已过期"),
    "already_member": (409, "您已是该企业成员"),
    "membership_request_pending": (409, "已提交过加入申请，请等待处理"),
    "enterprise_has_owner": (409, "该企业已有负责人，加入申请由负责人处理"),
    "applicant_gone": (409, "申请人的账号正在注销或已注销"),
    "not_a_member": (409, "对方不是该企业成员"),
    "last_owner": (409, "企业至少要有一名负责人，请先转让"),
    "survey_invalid": (422, "调查问卷填写有误"),
    # trainings and sign-ups
    "training_not_open": (409, "该培训当前不开放报名"),
    "signup_window_not_open": (409, "报名尚未开始，开始时间：{opens_at}"),
    "signup_window_closed": (409, "报名已截止"),
    "training_started": (409, "培训已开始，不能再进行此项操作"),
    "training_ended": (409, "培训已结束，不能再进行此项操作"),
    "training_cancelled": (409, "培训已取消，不能再进行此项操作"),
    "training_not_published": (409, "培训尚未发布，不能登记签到"),
    "session_has_scans": (409, "该场次已有扫码记录，不能删除"),
    "division_not_invited": (409, "该培训未面向企业所在辖区开放"),
    "seats_insufficient": (409, "仅余 {remaining} 个名额，本次报名 {requested} 人，请减少人数"),
    "enterprise_seats_exceeded": (409, "每家企业最多 {limit} 人，超出限额"),
    "nothing_chosen": (422, "请先勾选要处理的报名"),
    "training_full": (409, "该培训已无空余名额"),
    "signup_already_there": (409, "已在该培训中，请选择另一场"),
    "attendee_duplicate": (409, "该手机号已报名本次培训"),
    "cancellation_deadline_passed": (409, "已过取消截止时间，请联系主办单位"),
    "change_deadline_passed": (409, "已过变更截止时间，请联系主办单位"),
    "offer_expired": (409, "候补名额已超过确认时限"),
    "capacity_below_taken": (409, "已占用 {taken} 个名额，名额数不能低于此数"),
    "session_times_invalid": (422, "场次时间有误：结束须晚于开始，且不得相互重叠"),
    "trainer_unknown": (404, "没有找到已绑定该手机号的用户"),
    # campaigns
    "campaign_not_yours": (409, "只有发起人可以修改、提交这次群发"),
    "campaign_not_draft": (409, "这次群发现为“{state}”，只有草稿可以修改"),
    "campaign_own": (409, "须由另一位工作人员复核，不能复核自己发起的群发"),
    "campaign_empty": (409, "受众中没有人，请调整受众"),
    "campaign_incomplete": (422, "内容还不完整，请按提示补充"),
    "campaign_nothing_to_retry": (409, "没有因暂时原因失败、可以重试的消息"),
    "campaign_without_wechat": (409, "您的账号还没有绑定微信，请先在“我的账号”中绑定，再发送测试"),
    # agencies
    "capacity_below_under_way": (409, "正在承接 {under_way} 个帮扶项目，承接能力不能低于此数"),
    "agency_inactive": (409, "该机构目前不参与帮扶"),
    "agency_not_serving": (409, "该机构服务的县（市）区中没有{county}，请先由机构或市局补充"),
    "agency_selected": (409, "{county} {year} 年度已选定该机构，无须重复选定"),
    "agency_still_selected": (409, "{counties}已选定该机构，须先撤销选定，才能从服务范围中去掉"),
    "expert_inactive": (409, "该专家已停用，请先恢复在岗"),
    "expert_busy": (409, "该专家还有 {bookings} 个未进行的预约、{cases} 个在办项目，请先安排他人"),
    "expert_bound": (409, "该专家已绑定手机号，如需更换请先解除绑定"),
    "expert_person_unknown": (404, "没有找到已在小程序中绑定该手机号的用户"),
    "expert_person_taken": (409, "该手机号的用户已是另一名专家"),
    # assistance cases
    "enterprise_not_reviewed": (409, "企业登记{state}，审核通过后才能申请帮扶"),
    "case_open": (409, "本企业已有在办的帮扶项目（{number}，{state}），办结后才能再次申请"),
    "case_state": (409, "项目处于“{state}”，不能进行此项操作"),
    "case_incomplete": (409, "还不能进入“{target}”，请先完成：{missing}"),
    "case_rated": (409, "已评价过，不能再次评价"),
    "correction_open": (409, "正等待企业补正，答复或收回后再办理"),
    "correction_none": (409, "没有待答复的补正要求"),
    "offers_number": (422, "请选择 1–{most} 家机构"),
    "offer_over": (409, "该派单{state}，不能再答复"),
    "agency_unavailable": (409, "所选机构已不参与帮扶"),
    "agency_full": (409, "在办项目已达上限或机构已停用，不能接单；请先办结在办项目或联系市局调整上限"),
    "merge_open_cases": (409, "两家企业都有在办的帮扶项目（{keep}、{drop}），请先撤回或终止其中一个再合并"),
    "finding_verified": (409, "问题已验证，不能再修改"),
    "case_training_ahead": (409, "培训尚未开始，不能登记到场"),
    "attendees_too_many": (422, "每次培训至多 {limit} 人"),
    "attendee_attended": (409, "已登记到场，不能删除；如登记有误，请先改为未到"),
    "officer_elsewhere": (422, "不是企业所在县局的人员"),
    "visit_confirmed": (409, "走访已经县局人员确认，不能修改"),
    "visit_not_yours": (409, "走访登记的是另一位县局人员，须由其本人确认"),
    "visit_ahead": (409, "走访尚未开始，开始后再确认"),
    # evidence
    "file_refused": (422, "文件不予接受：{reason}"),
    "file_too_large": (413, "文件过大，至多 {megabytes} MB"),
    "file_infected": (422, "文件含有恶意程序，不予接受"),
    "files_unavailable": (503, "文件服务暂时不可用，请稍后重试"),
    "file_link_expired": (410, "下载链接已过期，请返回页面重新打开"),
    "evidence_not_own": (409, "只能删除自己上传的材料"),
    "evidence_too_many": (409, "每个项目至多 {most} 份材料，请先删除不需要的"),
    # bookings
    "expert_not_of_agency": (422, "不是该机构的专家"),
    "slot_past": (409, "该时段已过，请选择今后的时段"),
    "slot_not_offered": (409, "该时段不可预约，请刷新后重新选择"),
    "slot_too_soon": (409, "该专家须至少提前 {hours} 小时预约，请选择更晚的时段"),
    "slot_too_far": (409, "该专家至多提前 {days} 天预约，请选择更早的时段"),
    "slot_taken": (409, "该时段刚被他人预约，请选择其他时段"),
    "hold_exists": (409, "本企业正在填写另一个预约，请先提交或放弃"),
    "hold_lapsed": (409, "超过填写时间，时段已放开，请重新选择"),
    "case_with_other_agency": (409, "本企业的帮扶项目由“{agency}”承接，请预约该机构的专家"),
    "booking_deadline_passed": (409, "已过取消、改约的截止时间（{deadline}），请电话联系机构"),
    "booking_begun": (409, "预约时间已到，不能再取消，请登记见面、未到或请假"),
    "booking_ahead": (409, "预约时间未到，开始后再登记"),
    "availability_overlap": (409, "与该专家已有的可预约时段重叠"),
    "absence_touches_bookings": (409, "这段时间已有 {count} 个预约，请选择怎样处理"),
    # check-ins
    "hall_code_invalid": (422, "现场签到码无效或已过期，请扫描屏幕上最新的码"),
    "ticket_unavailable": (409, "报名{state}，暂无签到码"),
    "certificate_not_earned": (409, "出勤未达到发证要求（已出勤 {attended} 场，需 {needed} 场）"),
    "certificate_unknown": (404, "没有查到该证明，请核对验证码"),
    # workbooks
    "workbook_unreadable": (422, "文件不是有效的 .xlsx 工作簿"),
    "workbook_too_large": (413, "文件过大"),
    "workbook_too_long": (422, "行数超出上限"),
    "workbook_empty": (422, "工作簿中没有数据行"),
    "workbook_header_missing": (422, "缺少必需的列"),
    "workbook_formula": (422, "工作簿含有公式，请“粘贴为数值”后重新上传"),
    "workbook_merged_cells": (422, "工作簿含有合并单元格，请取消合并后重新上传"),
    "workbook_macro": (422, "工作簿含有宏，不予接受"),
    "workbook_encrypted": (422, "工作簿已加密，请去除密码后重新上传"),
    # messages
    "template_mapping_incomplete": (409, "模板已更改，请先修改使用它的消息设置：{kinds}"),
    # messages from the platform
    "push_bad_signature": (403, "签名不正确"),
    "push_stale": (403, "消息已过期"),
    "push_malformed": (400, "消息无法解析"),
    "push_wrong_app": (403, "消息不属于本应用"),
    "push_too_large": (413, "消息过大"),
}
