"""What the audit trail's verbs are called on screen: one label for each, by the noun it is of."""

from __future__ import annotations

VERBS: dict[str, str] = {
    # people
    "user.registered": "注册（小程序）",
    "user.signed_in": "登录",
    "user.signed_out": "退出登录",
    "user.renamed": "更正姓名",
    "user.phone_bound": "绑定手机号",
    "user.phone_erased": "删除手机号",
    "user.refresh_token_reused": "登录凭证被重复使用，已强制退出",
    "user.closure_requested": "申请注销账号",
    "user.closure_withdrawn": "撤销注销申请",
    "user.closed": "注销账号",
    # staff accounts
    "staff.created": "建立工作人员账号",
    "staff.sign_in_failed": "登录失败",
    "staff.password_set": "设置密码",
    # enterprises
    "enterprise.registered": "登记企业",
    "enterprise.imported": "导入企业",
    "enterprise.import_updated": "导入更新企业信息",
    "enterprise.credit_code_overridden": "特批登记（信用代码校验位不符）",
    "enterprise.changed": "修改企业信息",
    "enterprise.resubmitted": "重新提交企业登记",
    "enterprise.approved": "审核通过企业登记",
    "enterprise.returned": "退回完善企业登记",
    "enterprise.refused": "审核不通过企业登记",
    "enterprise.member_invited": "邀请企业成员",
    "enterprise.member_joined": "加入企业",
    "enterprise.member_left": "退出企业",
    "enterprise.member_removed": "移除企业成员",
    "enterprise.transferred": "转让企业负责人",
    "membership.requested": "申请加入企业",
    "membership.approved": "同意加入企业",
    "membership.refused": "拒绝加入企业",
    # trainings
    "training.created": "新建培训",
    "training.imported": "导入培训",
    "training.copied": "复制培训",
    "training.changed": "修改培训",
    "training.published": "发布培训",
    "training.cancelled": "取消培训",
    "training.trainer_assigned": "指派讲师或签到员",
    "training.trainer_removed": "撤销讲师或签到员",
    # sign-ups and attendance
    "signup.made": "报名",
    "signup.confirmed": "通过报名",
    "signup.returned": "退回完善报名",
    "signup.refused": "拒绝报名",
    "signup.resubmitted": "重新提交报名",
    "signup.cancelled": "取消报名",
    "signup.attendee_changed": "更换参训人",
    "signup.offer_accepted": "确认候补名额",
    "scan.made": "扫码签到",
    "scan.uploaded": "上传离线扫码记录",
    "scan.self": "扫现场码签到",
    "scan.marked": "人工登记出勤",
    "certificate.issued": "发放培训证明",
    # the system
    "keys.rotated": "更换数据密钥",
}
