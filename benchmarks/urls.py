"""The application's routes plus the empty view, for benchmarks only."""

from django.urls import path
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from cryptotrade import urls


class Empty(APIView):
    """Baseline view: authenticated, rate-limited, parsed and rendered like every other view, without any work."""

    permission_classes = (IsAuthenticated,)  # not a route of the table of scopes

    def post(self, request: Request) -> Response:
        return Response({"read": len(request.data)})


urlpatterns = [path("api/v1/bench/empty", Empty.as_view()), *urls.urlpatterns]
handler400, handler403 = urls.handler400, urls.handler403
handler404, handler500 = urls.handler404, urls.handler500
handler429 = urls.handler429
