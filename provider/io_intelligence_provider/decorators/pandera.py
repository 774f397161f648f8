"""Defines ``@task.pandera``, which validates the frame a function returns and writes its valid rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk.bases.decorator import DecoratedOperator, determine_kwargs, task_decorator_factory

from io_intelligence_provider.operators.pandera import PanderaCheckOperator

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.bases.decorator import TaskDecorator

    from io_intelligence_provider.quality.policy import CheckOptions
    from io_intelligence_provider.quality.result import CheckRun

__all__ = ["pandera_task"]


class _PanderaDecoratedOperator(DecoratedOperator, PanderaCheckOperator):
    """Calls the function, validates the returned frame, and writes its valid rows to ``path``."""

    template_fields: Sequence[str] = (
        *DecoratedOperator.template_fields,
        *PanderaCheckOperator.template_fields,
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {**DecoratedOperator.template_fields_renderers}
    custom_operator_name: str = "@task.pandera"
    _outputs: ClassVar[Sequence[str]] = ("quarantine_path", "path")

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        for name in ("valid_path", "engine", "spark"):
            if name in kwargs:
                raise TypeError(
                    f"@task.pandera takes no {name}: valid rows are written to path, by this task"
                )
        super().__init__(
            python_callable=python_callable,
            op_args=op_args,
            op_kwargs=op_kwargs,
            kwargs_to_upstream={},
            **kwargs,
        )

    def execute(self, context: Context) -> Any:
        """Call the function and validate its frame."""
        self._prepare(context)
        arguments = determine_kwargs(self.python_callable, self.op_args, {**context, **self.op_kwargs})
        self._frame = self.python_callable(*self.op_args, **arguments)
        try:
            return self._checked(context, self._check)
        finally:
            del self._frame

    def _check(self, options: CheckOptions) -> CheckRun:
        from io_intelligence_provider.quality.run import check_frame

        options = replace(options, valid_path=self.path)
        return check_frame(self._frame, self.schema, options, filesystem=self._filesystem())


def pandera_task(
    python_callable: Callable[..., Any] | None = None,
    multiple_outputs: bool | None = None,
    **kwargs: Any,
) -> TaskDecorator:
    """Make a task of a function that returns a frame: pandas, polars, a LazyFrame or an Arrow table.

    The valid rows are written to ``path``, replaced in one step, and only when no finding stops the task. The
    XCom result is the summary of the run, not the frame.

    :param python_callable: the function.
    :param kwargs: arguments of :class:`~io_intelligence_provider.operators.pandera.PanderaCheckOperator`,
        including ``path`` and ``schema``; ``valid_path``, ``engine`` and ``spark`` are not accepted.
    :raises TypeError: when one of those three is given.
    """
    return task_decorator_factory(
        python_callable=python_callable,
        multiple_outputs=multiple_outputs,
        decorated_operator_class=_PanderaDecoratedOperator,
        **kwargs,
    )
