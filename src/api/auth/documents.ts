import type { DocumentedRoute } from '../../http/openapi.ts';
import {
  acceptBody,
  passwordBody,
  providerList,
  sessionList,
  signedIn,
  signInBody,
  tokenBody,
  tokenResponse,
} from './schemas.ts';

/** Signing in, as the API description tells it. */
export const AUTH_DOCUMENTS: readonly DocumentedRoute[] = [
  {
    method: 'post',
    path: '/v1/auth/token',
    tag: 'Sign-in',
    summary: 'Exchange an API key for a short-lived token',
    description: 'The token stands for the key, and ends with it.',
    request: tokenBody,
    response: tokenResponse,
  },
  {
    method: 'post',
    path: '/v1/auth/sign-in',
    open: true,
    tag: 'Sign-in',
    summary: 'Sign in with an e-mail address and a password',
    description: 'Sets a cookie, and answers with the session for `Authorization: Bearer`.',
    request: signInBody,
    response: signedIn,
  },
  {
    method: 'get',
    path: '/v1/auth/sessions',
    tag: 'Sign-in',
    summary: 'Where you are signed in',
    response: sessionList,
  },
  {
    method: 'post',
    path: '/v1/auth/password',
    tag: 'Sign-in',
    summary: 'Change your password; all your other sessions end',
    request: passwordBody,
    response: signedIn,
  },
  {
    method: 'post',
    path: '/v1/auth/invitations/accept',
    open: true,
    tag: 'Sign-in',
    summary: 'Accept an invitation, as a signed-in user or as a new one',
    request: acceptBody,
    response: signedIn,
    status: 201,
  },
  {
    method: 'get',
    path: '/v1/auth/providers',
    tag: 'Sign-in',
    summary: 'Identity providers that people can sign in with',
    open: true,
    response: providerList,
  },
];
