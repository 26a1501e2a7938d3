"""What the doors for logs and metrics answer: how much of what was sent is not kept."""

from hansard.kit.errors import Invalid


def logs_answer(left: int) -> bytes:
    """The answer to log records of which so many are not kept."""
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

    answer = ExportLogsServiceResponse()
    if left:
        answer.partial_success.rejected_log_records = left
        answer.partial_success.error_message = "Only the log records that tell of a session are kept."
    return bytes(answer.SerializeToString())


def metrics_answer(body: bytes) -> bytes:
    """The answer to metrics, of which none are kept. Raises Invalid for what is none."""
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
        ExportMetricsServiceRequest,
        ExportMetricsServiceResponse,
    )

    try:
        request = ExportMetricsServiceRequest.FromString(body)
    except DecodeError:
        raise Invalid("The body is not an ExportMetricsServiceRequest in protobuf.") from None
    scopes = [scope for resource in request.resource_metrics for scope in resource.scope_metrics]
    data = [getattr(one, kind) for scope in scopes for one in scope.metrics if (kind := one.WhichOneof("data"))]
    answer = ExportMetricsServiceResponse()
    if left := sum(len(one.data_points) for one in data):
        answer.partial_success.rejected_data_points = left
        answer.partial_success.error_message = "The figures of a session are kept from its upload; these are not."
    return bytes(answer.SerializeToString())
