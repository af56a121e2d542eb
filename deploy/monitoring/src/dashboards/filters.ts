import { matching } from '../promql.ts';

/** Matchers of the dashboard variables. */
export const chosenModel = { model: matching('$model') };
export const chosenProvider = { provider: matching('$provider') };
export const chosenTenant = { tenant: matching('$tenant') };
export const chosen = { ...chosenModel, ...chosenProvider };

/** Statuses of failures that Weir or its providers cause; 4xx are the client's, 499 is a client that disconnected. */
export const SERVER_FAILURE = matching('5..');
