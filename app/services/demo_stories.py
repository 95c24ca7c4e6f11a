"""What the demonstration's cases are about: one story in each state that a case can be in."""

from __future__ import annotations

from dataclasses import dataclass

from app.services.enterprises import Profile
from models.cases import Rating

QUALITY, GREEN, FOOD = "徐州演示质量认证有限公司", "江苏演示检验认证中心", "淮海演示认证服务有限公司"
FENGXIAN, PEIXIAN, TONGSHAN, PIZHOU = "js.xz.fengxian", "js.xz.peixian", "js.xz.tongshan", "js.xz.pizhou"


@dataclass(frozen=True)
class Story:
    """What became of one request.

    Args:
        entered: how many working days ago the case came into each state, from 待审核 on.
        then: what happened last, by the name of a method of demo_cases.Telling.
    """

    enterprise: tuple[str, str, Profile]
    need: str
    agency: str
    entered: tuple[int, ...] = ()
    wanted: tuple[str, ...] = ("standards", "people")
    scheme: str | None = "qms"
    rating: Rating | None = None
    then: str = ""


def _of(
    number: int, division: str, name: str, industry: str, people: int, wan: int
) -> tuple[str, str, Profile]:
    """Returns an enterprise with its yearly revenue in 万元."""
    area = {FENGXIAN: "320321", PEIXIAN: "320322", TONGSHAN: "320312", PIZHOU: "320382"}[division]
    profile = Profile(name, industry, people, wan * 10_000, wan * 8_000)
    return f"91{area}MA0DEMB{number:02}", division, profile


STORIES: tuple[Story, ...] = (
    Story(
        _of(1, FENGXIAN, "丰县演示电动车有限公司", "C37", 64, 3_100),
        "整车返修率偏高，想建立质量管理体系并培训检验人员。",
        QUALITY,
        (1,),
    ),
    Story(
        _of(2, TONGSHAN, "铜山演示液压件有限公司", "C34", 48, 1_900),
        "客户要求提供能源管理和质量管理证明，不知道从哪里做起。",
        GREEN,
        (4, 3, 2),
        wanted=("energy", "standards"),
        scheme="enms",
        then="declined",
    ),
    Story(
        _of(3, PIZHOU, "邳州演示板材有限公司", "C20", 35, 1_200),
        "产品等级不稳定，想请专家到现场看一看工艺。",
        FOOD,
        (3, 2, 1),
        wanted=("innovation", "awareness"),
    ),
    Story(
        _of(4, FENGXIAN, "丰县演示食品有限公司", "C14", 52, 2_600),
        "准备申请食品安全管理体系认证，请帮助梳理文件。",
        QUALITY,
        wanted=(),
        scheme=None,
        then="booked",
    ),
    Story(
        _of(5, PEIXIAN, "沛县演示光伏材料有限公司", "C38", 110, 8_600),
        "想做绿色低碳认证，降低单位产品能耗。",
        GREEN,
        (8, 7, 6, 5),
        wanted=("energy", "digital"),
        scheme="green_low_carbon",
        then="booked",
    ),
    Story(
        _of(6, TONGSHAN, "铜山演示铸造有限公司", "C33", 75, 3_400),
        "铸件气孔多、废品率高，想找到原因。",
        QUALITY,
        (17, 16, 15, 14),
        wanted=("innovation", "people"),
    ),
    Story(
        _of(7, FENGXIAN, "丰县演示轮毂有限公司", "C36", 95, 6_200),
        "体系证书到期，文件和现场两张皮。",
        QUALITY,
        (16, 15, 14, 13, 5),
        then="asked",
    ),
    Story(
        _of(8, PIZHOU, "邳州演示家具有限公司", "C21", 41, 1_500),
        "出口订单验货常被退回，班组不清楚检验标准。",
        FOOD,
        (30, 29, 28, 27, 20, 12),
        wanted=("people", "awareness"),
        then="teaching",
    ),
    Story(
        _of(9, FENGXIAN, "丰县演示车架有限公司", "C37", 58, 2_800),
        "焊接返工多，质量成本高。",
        QUALITY,
        (45, 44, 43, 42, 34, 26, 10),
        then="improving",
    ),
    Story(
        _of(10, PEIXIAN, "沛县演示铝制品有限公司", "C33", 66, 4_100),
        "希望提升高端品质，进入整车厂供应链。",
        GREEN,
        (80, 79, 78, 77, 70, 62, 45, 3),
        scheme="premium_quality",
    ),
    Story(
        _of(11, TONGSHAN, "铜山演示起重配件有限公司", "C34", 88, 5_300),
        "客户审核不通过，需要限期整改。",
        QUALITY,
        (90, 89, 88, 87, 80, 72, 50, 8, 4),
        rating=Rating.dissatisfied,
    ),
    Story(
        _of(12, PIZHOU, "邳州演示包装有限公司", "C22", 39, 1_800),
        "食品包装客户要求体系认证。",
        FOOD,
        (100, 99, 98, 97, 90, 82, 60, 14, 12),
        rating=Rating.satisfied,
    ),
    Story(
        _of(13, FENGXIAN, "丰县演示农机有限公司", "C35", 72, 3_700),
        "想减少售后投诉，建立全过程检验。",
        QUALITY,
        (110, 109, 108, 107, 100, 90, 66, 22, 20),
        rating=Rating.very_satisfied,
    ),
    Story(
        _of(14, PEIXIAN, "沛县演示纺织有限公司", "C17", 29, 900),
        "想了解认证费用减免。",
        GREEN,
        (9,),
        wanted=(),
        scheme=None,
        then="refused",
    ),
)
