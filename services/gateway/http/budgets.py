"""/v1/budgets."""

from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response, status
from pydantic import BaseModel, Field

from services.gateway.http import lists
from services.gateway.http.context import (
    Caller,
    CallerDep,
    Id,
    OwnerDep,
    Text,
    Timestamp,
    given,
)
from shared.contracts.analytics import (
    BudgetSettings,
    BudgetView,
    BudgetViews,
    CreateBudget,
    DeleteBudget,
    GetBudget,
    ListBudgets,
    UpdateBudget,
)
from shared.kernel.errors import InvalidCommand, NotAuthenticated, NotFound, NotPermitted
from shared.web.pagination import HEADERS, WindowDep
from shared.web.problem import responses

router = APIRouter(prefix="/v1/budgets", tags=["budgets"])

Name = Annotated[Text, Field(max_length=255)]
Limit = Annotated[float, Field(gt=0, le=1e15, allow_inf_nan=False)]
Thresholds = Annotated[list[Annotated[int, Field(ge=1, le=1000)]], Field(max_length=10)]


class BudgetIn(BaseModel):
    name: Name = ""
    bot_profile_id: Id | None = None
    """Whose usage counts; left out: that of all bots."""
    period: Literal["day", "month"] = "month"
    unit: Literal["tokens", "usd"] = "usd"
    limit: Limit
    thresholds: Thresholds = Field(default=[80, 100])
    """Percent of the limit; reaching one is an event `usage.threshold`."""
    hard_stop: bool = False
    """Whether questions are refused that the budget does not hold."""


class BudgetPatch(BaseModel):
    name: Name = ""
    period: Literal["day", "month"] = "month"
    unit: Literal["tokens", "usd"] = "usd"
    limit: Limit = 1
    thresholds: Thresholds = Field(default=[80, 100])
    hard_stop: bool = False


class BudgetOut(BaseModel):
    id: str
    tenant_id: str
    name: str
    bot_profile_id: str | None
    period: Literal["day", "month"]
    unit: Literal["tokens", "usd"]
    limit: float
    thresholds: list[int]
    hard_stop: bool
    used: float
    """In the period that runs now, of the calendar in UTC."""
    created_at: Timestamp
    updated_at: Timestamp


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=responses(NotAuthenticated, NotPermitted, InvalidCommand),
)
async def create(body: BudgetIn, caller: OwnerDep) -> BudgetOut:
    """Make a budget. It alerts; with `hard_stop` questions end with 402 once it is used up."""
    budget_id = caller.id_for("budget")
    settings = BudgetSettings.model_validate(body.model_dump())
    await caller.order(CreateBudget(budget_id=budget_id, settings=settings))
    return await _get(caller, budget_id)


@router.get(
    "",
    response_model=list[BudgetOut],
    responses={**responses(NotAuthenticated, InvalidCommand), 200: {"headers": HEADERS}},
)
async def list_budgets(request: Request, caller: CallerDep, window: WindowDep) -> Response:
    """All budgets, newest first, with what is used of each."""
    return await lists.answer(request, caller, ListBudgets(), BudgetViews, _out, window, again=True)


@router.get("/{budget_id}", responses=responses(NotAuthenticated, NotFound, InvalidCommand))
async def get(budget_id: Id, caller: CallerDep) -> BudgetOut:
    """One budget, with what is used of it."""
    return await _get(caller, budget_id)


@router.patch(
    "/{budget_id}",
    responses=responses(NotAuthenticated, NotPermitted, NotFound, InvalidCommand),
)
async def patch(budget_id: Id, body: BudgetPatch, caller: OwnerDep) -> BudgetOut:
    """Change the fields that are sent. With another limit the thresholds are told anew."""
    await caller.order(UpdateBudget(budget_id=budget_id, changes=given(body)))
    return await _get(caller, budget_id)


@router.delete(
    "/{budget_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=responses(NotAuthenticated, NotPermitted, NotFound, InvalidCommand),
)
async def delete(budget_id: Id, caller: OwnerDep) -> None:
    """Forget a budget."""
    await caller.order(DeleteBudget(budget_id=budget_id))


async def _get(caller: Caller, budget_id: str) -> BudgetOut:
    return _out(await caller.ask(GetBudget(budget_id=budget_id), BudgetView))


def _out(budget: BudgetView) -> BudgetOut:
    return BudgetOut.model_validate(budget.model_dump())
