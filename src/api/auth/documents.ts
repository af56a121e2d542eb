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

/** The sign-in operations in the API description. */
export const AUTH_DOCUMENTS: readonly DocumentedRoute[] = [
  {
    method: 'post',
    path: '/v1/auth/token',
    tag: 'Sign-in',
    summary: 'Exchange an API key for a short-lived token',
    description: 'The token has the rights of the key and expires with it.',
    request: tokenBody,
    response: tokenResponse,
  },
  {
    method: 'post',
    path: '/v1/auth/sign-in',
    open: true,
    tag: 'Sign-in',
    summary: 'Sign in with an e-mail address and a password',
    description: 'Sets a cookie, and returns the session for `Authorization: Bearer`.',
    request: signInBody,
    response: signedIn,
  },
  {
    method: 'get',
    path: '/v1/auth/sessions',
    tag: 'Sign-in',
    summary: 'List your sessions',
    response: sessionList,
  },
  {
    method: 'post',
    path: '/v1/auth/password',
    tag: 'Sign-in',
    summary: 'Change your password and end all your other sessions',
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
    summary: 'List identity providers for sign-in',
    open: true,
    response: providerList,
  },
];
