import { addMessageBatchRoutes } from '../api/anthropic/batches.ts';
import { addAnthropicRoutes } from '../api/anthropic/endpoints.ts';
import { addAsyncRoutes } from '../api/async-requests.ts';
import { addModelRoutes } from '../api/models/endpoints.ts';
import { addNativeRoutes } from '../api/native/endpoints.ts';
import { addRerankRoutes } from '../api/native/rerank.ts';
import { addSuggestModelRoutes } from '../api/native/suggest-model.ts';
import { addText2SqlRoutes } from '../api/native/text2sql.ts';
import { addBatchRoutes } from '../api/openai/batches.ts';
import { addOpenAiRoutes } from '../api/openai/endpoints.ts';
import { addFileRoutes } from '../api/openai/files.ts';
import { addModerationRoutes } from '../api/openai/moderations.ts';
import { addResponsesRoutes } from '../api/openai/responses/endpoints.ts';
import type { ApiServices } from '../api/services.ts';
import { addUsageRoutes, type UsageEndpoints } from '../api/usage.ts';
import type { Batches } from '../batches/batches.ts';
import type { Files } from '../files/files.ts';
import type { HttpRouter } from '../http/http-router.ts';

/** Files and batches, as their endpoints use them. */
export interface BatchApi {
  readonly files: Files;
  readonly batches: Batches;
}

/** Everything that clients of models request. The data of models must be loaded. */
export function addInferenceApi(
  router: HttpRouter,
  services: ApiServices,
  usage: UsageEndpoints,
  batches: BatchApi,
): void {
  addOpenAiRoutes(router, services);
  addModerationRoutes(router, services);
  addResponsesRoutes(router, services);
  addAnthropicRoutes(router, services);
  addNativeRoutes(router, services);
  addRerankRoutes(router, services);
  addText2SqlRoutes(router, services);
  addModelRoutes(router, services);
  addSuggestModelRoutes(router, services);
  addUsageRoutes(router, services, usage);
  addAsyncRoutes(router, services, services.asyncRequests);
  addFileRoutes(router, services, batches.files);
  addBatchRoutes(router, services, batches);
  addMessageBatchRoutes(router, services, batches);
}
